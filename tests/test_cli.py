"""The command `recsys`, as people and programs use it, in both layouts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.written_tables import WrittenTables
from recsys_spark.cli import COMMANDS, main
from recsys_spark.reader import Output
from recsys_spark.schemas import SIMILAR_ITEMS
from tests.conftest import PROJECT
from tests.published_output import (
    FAILED,
    FIRST,
    IDS,
    SECOND,
    THIRD,
    TITLES,
    deep_scorer,
    score,
    similar_items,
    write,
)

Command = Any


@pytest.fixture
def recsys(published: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command on the output; gives the exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main([*arguments, "--output", str(published)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def values(recsys: Command, *arguments: str) -> Any:
    code, out, err = recsys(*arguments, "--json")
    assert (code, err) == (0, "")
    assert out.count("\n") == 1
    return json.loads(out)


def test_a_user_is_shown_with_titles_scores_and_what_they_have_rated(recsys: Command) -> None:
    code, out, err = recsys("show", "user", "ann")

    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert out.startswith("user ann: 2 ratings, age 30\nrun 20260102T010000-bbbbbb of 2026-01-02: ok\n")
    assert ["1", "7", "Star", "Trek", f"{score('ann', 7):.4f}"] in lines
    assert ["1", "3", "寿司", "☂", "4.7500"] in lines, "of the list 'short'"
    assert out.index("ratings: the newest 2 of 2") < out.index("2025-12-31 12:00") < out.index("2025-12-31 09:00")


def test_json_has_the_figures_as_they_are_stored(recsys: Command, published: Path) -> None:
    found = values(recsys, "show", "user", "ann")

    stored = Output(published).rows("top_n", ["score"], user_id="ann", variant=None)["score"].to_pylist()
    assert [row["score"] for row in found["lists"] if row["variant"] is None] == stored
    assert found["run_id"] == SECOND
    assert found["outcome"] == {"outcome": "ok", "n_items": 3, "reason": "model", "as_of": "2026-01-02"}
    assert [row["item_id"] for row in found["ratings"]] == [4, 2]
    assert found["ratings"][0]["timestamp"] == "2025-12-31T12:00:00+00:00"
    assert values(recsys, "show", "user", "ann", "--ratings", "1")["ratings"] == found["ratings"][:1]


@pytest.mark.parametrize(
    ("user", "told"),
    [
        ("cleo", "ok, folded in: the list comes from a vector made of ratings that the model was not fitted on"),
        ("dan", "cold_fallback, the model does not know them, the fallback made the list"),
        ("eve", "ok, nothing is left for them"),
    ],
)
def test_a_user_whose_list_the_trained_vector_did_not_make_is_told_so(recsys: Command, user: str, told: str) -> None:
    assert f"run {SECOND} of 2026-01-02: {told}" in recsys("show", "user", user)[1].splitlines()


def test_unknown_users_and_items_are_answered_with_the_nearest(recsys: Command) -> None:
    told = (
        "look-up: user 'anne': expected an id of the table users, found none of that id.\n  the nearest are: ann, dan\n"
    )
    assert recsys("show", "user", "anne") == (2, "", told)
    code, out, err = recsys("show", "item", "star")
    assert (code, out) == (2, "")
    assert "    1  Star Wars (1977)\n" in err


def test_an_item_is_shown_with_its_ratings_and_lists(recsys: Command) -> None:
    code, out, err = recsys("show", "item", "the hobbit")

    assert (code, err) == (0, "")
    assert out.startswith(
        "taken for 'the hobbit': Hobbit, The (item 2)\nHobbit, The (item 2): 2 ratings, first seen in"
    )
    assert f"run {SECOND}: in 1 of 5 users' lists (20.0%), 0 times first, at rank 2.0 on average" in out
    assert "ratings: mean 3.75" in out
    assert values(recsys, "show", "item", "5")["lists"] == {
        "run_id": SECOND,
        "n": 1,
        "users": 5,
        "first": 0,
        "mean_rank": 2.0,
    }


def test_similar_items_are_computed_where_no_table_is(recsys: Command, published: Path) -> None:
    found = values(recsys, "similar", "Star Wars", "--most", "3")

    expected = Output(published).model().similar(1, 3)
    assert [(row["item_id"], row["score"]) for row in found["similar"]] == [tuple(alike) for alike in expected]
    assert (found["measure"], found["item"]["item_id"]) == ("cosine", 1)
    assert values(recsys, "similar", "1", "5")["score"] == Output(published).model().similarity(1, 5)
    assert recsys("similar", "1", "5")[1].startswith("cosine 0.9")


def test_similar_items_come_from_the_table_of_the_visible_model(recsys: Command, published: Path) -> None:
    model_id = str(Output(published).visible_model())
    tables = WrittenTables(published, published.name, IDS)
    tables.alone(SIMILAR_ITEMS, similar_items("dot-000000000000", "correlation"), FIRST)
    assert values(recsys, "similar", "1")["measure"] == "cosine", "another model's table says nothing"

    tables.alone(SIMILAR_ITEMS, similar_items(model_id, "correlation"), THIRD)

    found = values(recsys, "similar", "1")
    assert [(row["rank"], row["item_id"], row["score"]) for row in found["similar"]] == [(1, 5, 0.75), (2, 2, 0.5)]
    assert found["measure"] == "correlation"
    assert values(recsys, "similar", "1", "2")["score"] == values(recsys, "similar", "2", "1")["score"] == 0.5
    code, _, err = recsys("similar", "1", "3")
    assert (code, "neither among the 2 of item 1 and the 0 of 3" in err) == (2, True)


def test_a_deep_model_without_the_table_names_the_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = write(tmp_path / "output", "parquet", deep_scorer()).output

    assert main(["similar", "1", "--output", str(output)]) == 3
    assert "the job similar_items makes a table" in capsys.readouterr().err


def test_runs_are_those_of_the_ledger_and_the_failed_attempts(recsys: Command) -> None:
    _, out, _ = recsys("runs")

    lines = out.splitlines()
    assert [line.split()[0] for line in lines[2:] if line[0] == "2"] == [SECOND, FAILED, FIRST]
    assert lines[2].startswith(f"{SECOND} *  2026-01-02  nightly  published")
    assert "data: source.path: expected one, found none." in lines[4]
    assert lines[-1] == "* what readers see"
    found = values(recsys, "runs", "--most", "2")
    assert (found["visible"], [run["run_id"] for run in found["runs"]]) == (SECOND, [SECOND, FAILED])


def test_the_difference_of_two_runs_is_told_in_users_lists_items_and_metrics(recsys: Command) -> None:
    found = values(recsys, "diff", FIRST, "20260102")

    assert found["users"] == {"before": 3, "after": 5, "gained": ["cleo", "dan", "eve"], "lost": ["fay"]}
    # ann keeps two of three, bob all
    assert found["lists"] == {"compared": 2, "overlap": pytest.approx((2 / 3 + 1) / 2), "unchanged": 1}
    assert found["entered"][0] == {"item_id": 2, "before": 0, "after": 1, "title": TITLES[2]}
    assert found["left"] == [{"item_id": 1, "before": 2, "after": 1, "title": TITLES[1]}]
    assert found["same"] == {"config_hash": False, "fingerprint": True, "code_version": True, "model_id": True}
    measured = {(row["metric"], row["k"]): (row["before"], row["after"]) for row in found["metrics"]}
    assert measured == {("mse", None): (1.0, 0.5), ("ndcg", 10): (0.25, 0.5), ("n", None): (4000.0, 4000.0)}

    code, out, err = recsys("diff", FIRST, SECOND)
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.splitlines()]
    assert ["configuration", "c1", "c2", "another"] in rows
    assert ["mse", "1.0000", "0.5000", "-0.5000"] in rows
    assert ["n", "4,000", "4,000", "+0"] in rows
    assert "lists of 2 users of both: mean overlap 83.3%, 1 unchanged" in out


def test_runs_that_are_not_there_or_not_told_apart_are_refused(recsys: Command) -> None:
    code, _, err = recsys("diff", "2026", SECOND)
    assert (code, "found 2 that begin so" in err) == (2, True)
    code, _, err = recsys("diff", FAILED, SECOND)
    assert (code, f"the newest are: {SECOND}, {FIRST}" in err) == (2, True)


def test_titles_cannot_command_the_terminal(recsys: Command) -> None:
    for arguments in (["show", "user", "bob"], ["show", "item", "4"], ["similar", "4"]):
        code, out, _ = recsys(*arguments)

        assert code == 0
        assert "[31mRed[0m <b>&amp;</b> [bold]alert[/bold] next" in out
        assert not set(out) & {"\x1b", "\u202e", "\r"}
    assert values(recsys, "show", "item", "4")["item"]["title"] == TITLES[4]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["show"],
        ["show", "all"],
        ["show", "user"],
        ["runs", "--colour"],
        ["similar", "1", "2", "3"],
        ["explode"],
    ],
)
def test_wrong_usage_has_exit_code_two_and_no_traceback(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2

    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("configuration: command line: expected recsys")
    assert "--help tells more" in told.err


def test_damaged_tables_have_exit_code_three_and_no_output_two(
    recsys: Command, published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in (published).rglob("*.parquet"):
        file.write_bytes(b"PAR1")

    code, out, err = recsys("show", "user", "ann")

    assert (code, out) == (3, "")
    assert "the table users" in err
    assert "Traceback" not in err
    assert main(["runs", "--output", str(tmp_path / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_the_output_is_that_of_the_configuration_and_of_files_over_it(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(f"output: {{path: {published}}}\nmodel: {{name: not even a model}}\n")

    assert main(["runs", "--config", str(own), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["visible"] == SECOND
    monkeypatch.chdir(tmp_path)
    assert main(["runs"]) == 2, "there is none where conf/base.yaml says"
    assert "output: expected the output folder of a job" in capsys.readouterr().err
    own.write_text("output: {pth: x}\n")
    assert main(["runs", "--config", str(own)]) == 2
    assert "did you mean 'output.path'" in capsys.readouterr().err


def test_an_error_that_nobody_expected_is_one_line_and_exit_code_one(
    recsys: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("all is lost")

    monkeypatch.setattr(COMMANDS["runs"], "answer", fails)

    assert recsys("runs") == (1, "", "recsys: RuntimeError: all is lost\n")


def process(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "recsys_spark", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, env=environment | options.pop("env", {}), **pipes)


def test_a_reader_who_has_seen_enough_hears_no_complaint(published: Path) -> None:
    with process("show", "user", "ann", "--output", str(published)) as asked:
        assert asked.stdout is not None
        assert asked.stderr is not None
        asked.stdout.close()

        told = asked.stderr.read()

    assert (asked.returncode, told) == (0, "")


def test_a_terminal_without_the_signs_of_a_title_gets_others(published: Path) -> None:
    asked = process("show", "item", "3", "--output", str(published), env={"PYTHONIOENCODING": "ascii"})

    out, err = asked.communicate()

    assert (asked.returncode, err) == (0, "")
    assert "?? ? (item 3)" in out


def test_no_look_up_imports_spark_keras_or_pandas(published: Path) -> None:
    for arguments in (
        ["runs"],
        ["show", "user", "ann"],
        ["similar", "1"],
        ["diff", FIRST, SECOND],
        ["show", "item", "war"],
    ):
        program = (
            "import sys; from recsys_spark.cli import main; code = main()\n"
            "print(*sorted(name for name in sys.modules if '.' not in name), file=sys.stderr)"
        )
        command = [sys.executable, "-c", program, *arguments, "--output", str(published)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(PROJECT)}
        )
        loaded = set(done.stderr.split())
        assert {"recsys_spark", "pyarrow"} <= loaded, done.stderr
        assert loaded & {"pyspark", "py4j", "delta", "tensorflow", "keras", "numba", "pandas"} == set()
