"""The command line: what a careless user sees, and that the summary always comes last."""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recsys_spark.command import main
from tests.conftest import PROJECT

Run = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def dry_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs `nightly --dry-run`; gives the exit code, the summary and what stood on stderr."""

    def never(job: object) -> None:
        raise AssertionError("a dry run must not start the job")

    def run(*arguments: str) -> tuple[int, dict[str, Any], str]:
        output = ["--set", f"output.path={tmp_path}/output"]
        code = main("nightly", never, PROJECT, [*output, "--dry-run", *arguments])
        printed = capsys.readouterr()
        return code, json.loads(printed.out.splitlines()[-1]), printed.err

    return run


def ratings_file(tmp_path: Path, text: str, name: str = "ratings.csv") -> str:
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return f"source.path={path}"


CSV = ("--set", "source.header=true", "--set", "source.separator=,")
NAMES = ("--set", "source.columns={user: user_id, item: item_id, rating: rating, timestamp: null}")


def test_a_dry_run_shows_settings_and_plan_and_touches_nothing(dry_run: Run, tmp_path: Path) -> None:
    code, summary, errors = dry_run()

    assert (code, summary["status"], summary["error"]) == (0, "dry_run", None)
    assert "separator: '::'" in errors
    assert "score all pairs" in errors
    assert not (tmp_path / "output").exists()


def test_a_dry_run_needs_neither_spark_nor_keras(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from recsys_spark.command import main; "
        f"main('nightly', None, Path('{PROJECT}'), ['--dry-run', '--set', 'output.path={tmp_path}/o']); "
        "print([m for m in ('pyspark', 'tensorflow', 'keras', 'numba') if m in sys.modules])"
    )
    import sys

    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


def test_secrets_are_checked_and_never_shown(dry_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATINGS_PASSWORD", "hunter2")
    code, summary, errors = dry_run("--set", "source.password=env:RATINGS_PASSWORD")
    assert code == 0
    assert "hunter2" not in errors + json.dumps(summary)
    assert "env:RATINGS_PASSWORD" in errors

    monkeypatch.delenv("RATINGS_PASSWORD")
    code, summary, _ = dry_run("--set", "source.password=env:RATINGS_PASSWORD")
    assert code == 2
    assert "env:RATINGS_PASSWORD" in summary["error"]["message"]


def test_a_wrong_path_is_named(dry_run: Run) -> None:
    code, summary, _ = dry_run("--set", "source.path=no/such/ratings.csv")

    assert (code, summary["status"]) == (2, "invalid")
    assert "nothing at 'no/such/ratings.csv'" in summary["error"]["message"]


def test_a_wrong_separator_is_suspected(dry_run: Run, tmp_path: Path) -> None:
    path = ratings_file(tmp_path, "user_id;item_id;rating\n1;2;3\n")

    code, summary, _ = dry_run(*CSV, *NAMES, "--set", path)

    assert code == 2
    assert "source.separator" in summary["error"]["message"]
    assert "user_id;item_id;rating" in summary["error"]["message"]


def test_an_empty_file_is_told(dry_run: Run, tmp_path: Path) -> None:
    code, summary, _ = dry_run("--set", ratings_file(tmp_path, ""))

    assert (code, summary["status"]) == (3, "data_failed")
    assert "is empty" in summary["error"]["message"]


def test_a_column_that_is_not_there_is_told_with_those_that_are(dry_run: Run, tmp_path: Path) -> None:
    path = ratings_file(tmp_path, "user_id,book_id,rating\n1,2,3\n")

    code, summary, _ = dry_run(*CSV, *NAMES, "--set", path)

    assert code == 2
    assert summary["error"]["message"].startswith("configuration: source.columns.item")
    assert "user_id, book_id, rating" in summary["error"]["hint"]


def test_the_column_of_events_is_looked_for_like_the_others(dry_run: Run, tmp_path: Path) -> None:
    path = ratings_file(tmp_path, "user_id,item_id,rating\n1,2,3\n")

    code, summary, _ = dry_run(*CSV, *NAMES, "--set", path, "--set", "source.columns.event=kind")

    assert code == 2
    assert summary["error"]["message"].startswith("configuration: source.columns.event")


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("path: none.csv", "scoring.exclude.path"),
        ("columns: {user: u, item: i, until: end}", "scoring.exclude.columns.until"),
        ("columns: {user: u}", "scoring.exclude.columns.item"),
        ("separator: ';'", "scoring.exclude.separator"),
    ],
)
def test_a_table_of_exclusions_that_cannot_be_read_is_told_before_anything_starts(
    dry_run: Run, tmp_path: Path, table: str, key: str
) -> None:
    (tmp_path / "pairs.csv").write_text("u,i,until\n1,2,\n")

    exclude = ("--set", f"scoring.exclude.path={tmp_path}/pairs.csv", "--set", f"scoring.exclude={{{table}}}")
    code, summary, _ = dry_run(*exclude)

    assert (code, summary["status"]) == (2, "invalid")
    assert summary["error"]["message"].startswith(f"configuration: {key}")


@pytest.mark.parametrize(
    ("job", "table", "key"),
    [
        ("score_pairs", "{}", "pairs.path"),
        ("score_pairs", "{path: none.csv}", "pairs.path"),
        ("score_pairs", "{path: PAIRS, columns: {user: u, item: it}}", "pairs.columns.item"),
        ("nightly", "{path: none.csv}", None),
        ("top_users", "{path: none.csv}", None),
    ],
)
def test_the_table_of_pairs_is_looked_for_by_the_job_that_reads_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, job: str, table: str, key: str | None
) -> None:
    (tmp_path / "pairs.csv").write_text("u,i\n1,2\n")
    pairs = f"pairs={table.replace('PAIRS', f'{tmp_path}/pairs.csv')}"

    code = main(job, lambda _: None, PROJECT, ["--dry-run", "--set", pairs, "--set", f"output.path={tmp_path}/output"])

    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    if key is None:
        assert (code, summary["status"]) == (0, "dry_run")
    else:
        assert (code, summary["status"]) == (2, "invalid")
        assert summary["error"]["message"].startswith(f"configuration: {key}")


@pytest.mark.parametrize(("section", "side"), [("items", "item"), ("users", "user")])
def test_features_without_a_path_are_told_with_the_columns_that_they_need(
    dry_run: Run, section: str, side: str
) -> None:
    columns = f"{section}.columns={{{side}: id, year: y, kind: k}}"
    features = f"{section}.features={{numeric: [year], categorical: [kind]}}"

    code, summary, _ = dry_run("--set", columns, "--set", features)

    assert (code, summary["status"]) == (2, "invalid")
    assert f"{section}.path: expected a path" in summary["error"]["message"]
    assert "year, kind" in summary["error"]["hint"]


def test_a_misspelt_key_gets_the_nearest_one(dry_run: Run) -> None:
    code, summary, errors = dry_run("--set", "scoring.topn=5")

    assert code == 2
    assert "scoring.top_n" in summary["error"]["hint"]
    assert "scoring.top_n" in errors


@pytest.mark.parametrize("place", ["/proc/recsys", "ratings.csv/output"])
def test_an_output_that_cannot_be_written_is_told_before_anything_starts(
    dry_run: Run, tmp_path: Path, place: str
) -> None:
    path = ratings_file(tmp_path, "1::2::3::4\n")
    output = place if place.startswith("/") else f"{tmp_path}/{place}"

    code, summary, _ = dry_run("--set", path, "--set", f"output.path={output}")

    assert code == 2
    assert "output.path: expected a folder that can be written" in summary["error"]["message"]


def test_all_problems_with_inputs_and_output_come_at_once(dry_run: Run) -> None:
    code, summary, _ = dry_run("--set", "source.path=none.csv", "--set", "output.path=/proc/recsys")

    assert code == 2
    assert "source.path" in summary["error"]["message"]
    assert "output.path" in summary["error"]["message"]


@pytest.mark.parametrize(
    "arguments",
    [("--nonsense",), ("--as-of", "yesterday"), ("--from", "nowhere"), ("--config",), ("positional",)],
    ids=lambda a: a[0],
)
def test_a_wrong_command_line_ends_with_a_summary_like_any_error(dry_run: Run, arguments: tuple[str, ...]) -> None:
    code, summary, _ = dry_run(*arguments)

    assert (code, summary["status"], summary["error"]["code"]) == (2, "invalid", "config")


def test_the_business_date_is_that_of_the_command_line(dry_run: Run) -> None:
    assert dry_run("--as-of", "2026-01-31")[1]["as_of"] == "2026-01-31"


def test_an_error_nobody_expected_has_a_message_and_exit_code_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the disk is on fire")

    monkeypatch.setattr("recsys_spark.command.check_reachable", broken)

    code = main("nightly", broken, PROJECT, ["--set", f"output.path={tmp_path}/o"])
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])

    assert (code, summary["status"], summary["error"]["code"]) == (1, "failed", "unexpected")
    assert summary["error"]["message"] == "RuntimeError: the disk is on fire"
    assert json.loads((tmp_path / "o" / "summaries" / f"{summary['run_id']}.json").read_text()) == summary


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("--dry-run", "--to", "RUN"), 0), (("--dry-run",), 2), (("--dry-run", "--to", "RUN", "--from", "RUN"), 2)],
)
def test_a_job_may_have_arguments_of_its_own_beside_those_of_every_job(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    output = ["--set", f"output.path={tmp_path}/output"]

    def own(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--to", required=True)

    found = main("score", lambda _: None, PROJECT, [*output, *arguments], own=own)

    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found, summary["status"]) == (code, "invalid" if code else "dry_run")
    if arguments == ("--dry-run",):
        assert "--to" in summary["error"]["message"]


def test_the_arguments_of_one_job_are_not_those_of_another(dry_run: Run) -> None:
    assert dry_run("--to", "RUN")[0] == 2


JSON = ("--set", "run.log_format=json")


def test_in_json_an_error_is_one_object_with_its_hint_and_so_is_the_end(dry_run: Run) -> None:
    code, summary, errors = dry_run(*JSON, "--set", "source.path=no/such/ratings.csv")

    failed, ended = (json.loads(line) for line in errors.splitlines())
    assert (failed["event"], failed["job"], failed["run_id"]) == ("failed", "nightly", summary["run_id"])
    assert failed["message"] == summary["error"]["message"]
    assert (ended["event"], ended["message"], ended["exit_code"]) == ("ended", "invalid", code)


def test_the_summary_names_the_job(dry_run: Run) -> None:
    assert dry_run()[1]["job"] == "nightly"


def test_a_file_that_no_collector_reads_is_refused(dry_run: Run) -> None:
    code, summary, _ = dry_run("--set", "run.prometheus=recsys.txt")

    assert code == 2
    assert "run.prometheus: expected a path that ends in .prom" in summary["error"]["message"]


def test_a_job_that_fails_tells_monitoring_and_a_dry_run_does_not(dry_run: Run, tmp_path: Path) -> None:
    file = tmp_path / "recsys.prom"
    monitored = ("--set", f"run.prometheus={file}")

    dry_run(*monitored)
    assert not file.exists()

    code, *_ = dry_run(*monitored, "--set", "source.path=no/such/ratings.csv")
    assert f'recsys_exit_code{{job_name="nightly"}} {code}' in file.read_text().splitlines()


def test_monitoring_that_cannot_be_told_is_a_warning(dry_run: Run, tmp_path: Path) -> None:
    file = tmp_path / "nowhere" / "recsys.prom"

    code, summary, _ = dry_run("--set", f"run.prometheus={file}", "--set", "source.path=no/such/ratings.csv")

    assert (code, summary["status"]) == (2, "invalid")
    assert summary["warnings"] == [f"run.prometheus could not be written: no such folder: {file.parent}"]


AT_THE_OUTPUT = ("maintain", "runs", "similar_items", "vectors")


def test_jobs_that_look_at_the_output_alone_need_no_source(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    settings = ["--set", "source.path=gone.csv", "--set", f"output.path={tmp_path}/o", "--dry-run"]

    codes = {name: main(name, lambda job: None, PROJECT, settings) for name in (*AT_THE_OUTPUT, "nightly")}

    assert codes == dict.fromkeys(AT_THE_OUTPUT, 0) | {"nightly": 2}


def test_a_job_that_only_looks_needs_no_output_that_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = ["--set", f"output.path={tmp_path}/file/o", "--dry-run"]

    assert main("runs", lambda job: None, PROJECT, settings) == 0
    assert main("maintain", lambda job: None, PROJECT, settings) == 2


def test_a_short_retention_needs_a_word_more(dry_run: Run) -> None:
    code, summary, _ = dry_run("--set", "maintenance.vacuum_hours=1")
    assert code == 2
    assert "maintenance" in summary["error"]["message"]
    assert "allow_short_retention: true" in summary["error"]["message"]

    confirmed = ("--set", "maintenance.allow_short_retention=true")
    assert dry_run("--set", "maintenance.vacuum_hours=1", *confirmed)[0] == 0
