"""Nights that repeat, replace, follow and precede each other, that die and go on, in one session."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from recsys_spark import bookkeeping, config, stages
from recsys_spark.errors import AuditError, ConfigError, DataError
from recsys_spark.job import Job
from recsys_spark.progress import Progress
from recsys_spark.publishing.summary import Summary
from recsys_spark.rollback import roll_back
from recsys_spark.run import Run
from recsys_spark.settings import Settings
from recsys_spark.storage import Folder
from tests.conftest import PROJECT

Night = Callable[..., Job]
QUICK = (
    "training.epochs=1",
    "training.batch_size=64",
    "training.refit=false",
    "split.validation_fraction=0",
    "evaluation.bootstrap=0",
    "evaluation.k=[]",
)
RESULT = ["user_id", "variant", "rank", "item_id", "score"]


@pytest.fixture(params=["parquet"])
def night(spark: SparkSession, tmp_path: Path, request: pytest.FixtureRequest) -> Night:
    """Makes a job on a file of ratings; each call is a new attempt for a day of March 2026."""

    def make(ratings: str, *overrides: str, day: int = 2, name: str = "nightly", **arguments: str) -> Job:
        path = tmp_path / "ratings.txt"
        if not path.exists() or path.read_text() != ratings:  # an untouched file keeps its fingerprint
            path.write_text(ratings)
        output = [f"output.path={tmp_path}/output", f"output.format={request.param}"]
        given = [f"source.path={path}", *output, *QUICK, *overrides]
        settings = config.load(Settings, [PROJECT / "conf" / "base.yaml"], given)
        run = Run.start(Folder(settings.output.path), date(2026, 3, day))
        return Job(spark, settings, run, Summary(), Progress(), name, arguments)

    return make


def checkerboard(users: int = 12, items: int = 10, *, more: str = "") -> str:
    """Even users like even items; every third pair is left to be recommended."""
    pairs = [(u, i) for u in range(users) for i in range(items) if (u + 2 * i) % 3]
    return "".join(f"{u}::{i}::{5 if u % 2 == i % 2 else 1}::{100 + u}\n" for u, i in pairs) + more


def lists(job: Job) -> pd.DataFrame:
    table = pd.read_parquet(job.run.output.path / "current" / "top_n")
    return table.sort_values(["user_id", "rank"]).reset_index(drop=True)


def ledger(job: Job) -> pd.DataFrame:
    table = pd.read_parquet(job.run.output.path / "runs")
    return table.astype({"run_id": str}).set_index("run_id").sort_index()


def history(job: Job) -> set[str]:
    return set(pd.read_parquet(job.run.output.path / "top_n_history").run_id.astype(str))


def test_the_same_night_twice_is_done_once_and_says_so(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    first = night(checkerboard())
    stages.nightly(first)
    again = night(checkerboard())
    capsys.readouterr()

    stages.nightly(again)

    assert again.summary.status == "nothing_to_do"
    assert again.summary.model_id == first.summary.model_id
    assert first.run.run_id in capsys.readouterr().err
    assert list(ledger(first).index) == [first.run.run_id]
    assert set(lists(first).run_id) == {first.run.run_id}


def test_another_input_for_the_same_date_replaces_the_night_and_says_why(night: Night) -> None:
    first = night(checkerboard())
    stages.nightly(first)
    changed = night(checkerboard(more="3::1::5::900\n"))

    stages.nightly(changed)

    assert changed.summary.status == "published"
    assert f"published by run {first.run.run_id}: replaced (changed input)" in changed.run.warnings[0]
    assert set(lists(first).run_id) == {changed.run.run_id}


def test_the_same_input_on_the_next_day_is_published_from_the_stages_that_are_there(
    night: Night, capsys: pytest.CaptureFixture[str]
) -> None:
    first = night(checkerboard())
    stages.nightly(first)
    capsys.readouterr()
    next_day = night(checkerboard(), day=3)

    stages.nightly(next_day)

    told = capsys.readouterr().err
    assert all(
        f"{stage} was finished for the same inputs" in told for stage in ("ingest", "train", "evaluate", "score")
    )
    assert next_day.summary.status == "published"
    nobody_came_or_went = dict.fromkeys(("users_new", "users_gone", "items_new", "items_gone"), 0)
    assert next_day.summary.counts == first.summary.counts | nobody_came_or_went
    assert next_day.summary.metrics == first.summary.metrics
    assert set(lists(first).as_of) == {date(2026, 3, 3)}


def test_a_back_fill_enters_the_history_and_never_the_visible_table(night: Night) -> None:
    today = night(checkerboard(), day=5)
    stages.nightly(today)
    before = lists(today)
    back_fill = night(checkerboard(users=14), day=4)

    stages.nightly(back_fill)

    assert back_fill.summary.status == "history_only"
    assert "top_n_history only" in back_fill.run.warnings[0]
    pd.testing.assert_frame_equal(lists(today), before)
    assert history(today) == {today.run.run_id, back_fill.run.run_id}
    assert list(ledger(today).status) == ["published", "history_only"]
    users = pd.read_parquet(today.run.output.path / "current" / "users")
    assert len(users) == 12


def test_a_night_that_died_goes_on_after_its_last_finished_stage(
    night: Night, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def dies(job: Job) -> None:
        (job.folder("score").path / "lists").mkdir(parents=True)
        (job.folder("score").path / "lists" / "half.parquet").write_text("half of a list")
        raise MemoryError

    with monkeypatch.context() as dying:
        dying.setattr(stages, "score", dies)
        with pytest.raises(MemoryError):
            stages.nightly(night(checkerboard()))
    capsys.readouterr()
    second = night(checkerboard())

    stages.nightly(second)

    told = capsys.readouterr().err
    assert "evaluate was finished" in told
    assert "score was finished" not in told
    assert second.summary.status == "published"
    resumed = lists(second)[RESULT]
    forced = night(checkerboard(), "run.force=true")
    stages.nightly(forced)
    assert "was finished" not in capsys.readouterr().err
    pd.testing.assert_frame_equal(lists(forced)[RESULT], resumed)
    assert "run.force" in forced.run.warnings[0]


def test_from_a_stage_on_everything_is_done_again(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    stages.nightly(night(checkerboard()))
    capsys.readouterr()

    stages.nightly(night(checkerboard(), from_stage="train"))

    told = capsys.readouterr().err
    assert "ingest was finished" in told
    for stage in ("train", "evaluate", "score"):
        assert f"{stage} was finished" not in told
        assert f"{stage} done" in told


def test_a_stage_whose_model_is_gone_is_done_again(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    first = night(checkerboard())
    stages.nightly(first)
    assert first.summary.model_id is not None
    (first.run.models / first.summary.model_id).delete()
    capsys.readouterr()

    stages.nightly(night(checkerboard(), day=3))

    told = capsys.readouterr().err
    assert "train was finished" not in told
    assert "score was finished" not in told


@pytest.mark.parametrize("damage", ["cut short", "lost"])
def test_a_stage_with_a_damaged_file_is_done_again(
    night: Night, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    first = night(checkerboard())
    stages.nightly(first)
    expected = lists(first)[RESULT]
    file = next((first.folder("score").path / "lists").glob("*.parquet"))
    if damage == "lost":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:100])
    capsys.readouterr()

    stages.nightly(night(checkerboard(), day=3))

    told = capsys.readouterr().err
    assert "evaluate was finished" in told
    assert "score was finished" not in told
    pd.testing.assert_frame_equal(lists(first)[RESULT], expected)


def test_a_run_that_died_between_publishing_and_its_ledger_is_entered_by_the_next_one(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = night(checkerboard())
    with monkeypatch.context() as dying:
        dying.setattr(stages, "enter", _out_of_memory)
        with pytest.raises(MemoryError):
            stages.nightly(dead)
    assert not (dead.run.output.path / "runs").exists()

    after = night(checkerboard())
    stages.nightly(after)

    assert after.summary.status == "nothing_to_do"
    assert dead.run.run_id in after.run.warnings[0]
    assert list(ledger(dead).index) == [dead.run.run_id]
    summary = dead.run.summaries.read_json(f"{dead.run.run_id}.json")
    assert summary["status"] == "published"
    assert not (dead.run.state.path / "publishing.json").exists()


def test_a_run_that_died_before_it_was_visible_leaves_no_rows_behind(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = night(checkerboard())
    stages.nightly(first)
    before = lists(first)
    dead = night(checkerboard(users=13))
    with monkeypatch.context() as dying:
        dying.setattr("recsys_spark.publishing.parquet.ParquetSink.publish", _out_of_memory)
        with pytest.raises(MemoryError):
            stages.nightly(dead)
    pd.testing.assert_frame_equal(lists(first), before)
    assert dead.run.run_id in history(first)

    after = night(checkerboard(users=13))
    stages.nightly(after)

    assert "before its lists were visible" in after.run.warnings[0]
    assert history(first) == {first.run.run_id, after.run.run_id}
    assert list(ledger(first).index) == [first.run.run_id, after.run.run_id]


def test_who_was_taken_over_publishes_nothing(night: Night) -> None:
    first = night(checkerboard())
    stages.nightly(first)
    suspended = night(checkerboard(users=13))

    def taken() -> None:
        raise DataError("lock", expected="mine", found="theirs")

    suspended.check_lock = taken
    with pytest.raises(DataError):
        stages.nightly(suspended)

    assert set(lists(first).run_id) == {first.run.run_id}
    assert history(first) == {first.run.run_id}


def test_a_rollback_shows_the_earlier_lists_and_is_in_the_ledger(night: Night) -> None:
    first, second = night(checkerboard(), day=2), night(checkerboard(users=13), day=3)
    stages.nightly(first)
    before = lists(first)
    stages.nightly(second)

    back = night(checkerboard(users=13), name="rollback", day=4)
    roll_back(back, first.run.run_id)

    pd.testing.assert_frame_equal(lists(first), before)
    entry = ledger(first).loc[back.run.run_id]
    assert (entry.job, entry.status, entry.restored_run) == ("rollback", "published", first.run.run_id)
    assert back.summary.model_id == first.summary.model_id
    # the date of the visible run is the earlier one again, so the later one is no back-fill
    third = night(checkerboard(users=13), day=3)
    stages.nightly(third)
    assert third.summary.status == "published"


def test_a_rollback_to_nowhere_names_the_runs_there_are(night: Night) -> None:
    with pytest.raises(ConfigError, match="no run at all"):
        roll_back(night(checkerboard(), name="rollback"), "20260101T000000-abcdef")
    first = night(checkerboard())
    stages.nightly(first)

    with pytest.raises(ConfigError, match=first.run.run_id):
        roll_back(night(checkerboard(), name="rollback"), "20260101T000000-abcdef")
    with pytest.raises(ConfigError, match="which is"):
        roll_back(night(checkerboard(), name="rollback"), first.run.run_id)


def test_an_audit_that_fails_keeps_the_stage_and_the_next_start_audits_it_again(
    night: Night, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AuditError("rule of the day", expected="luck", found="none")

    with monkeypatch.context() as strict:
        strict.setattr(stages, "audit_night", refused)
        with pytest.raises(AuditError):
            stages.nightly(night(checkerboard()))
    capsys.readouterr()

    second = night(checkerboard())
    stages.nightly(second)

    assert "score was finished" in capsys.readouterr().err
    assert second.summary.status == "published"


def _out_of_memory(*_: object, **__: object) -> None:
    raise MemoryError


def test_sections_that_no_night_depends_on_do_not_change_what_a_run_is(night: Night) -> None:
    hashes = {
        bookkeeping.config_hash(night(checkerboard(), *more)) for more in ((), ("run.force=true",), ("tune.trials=3",))
    }

    assert len(hashes) == 1
    assert bookkeeping.config_hash(night(checkerboard(), "scoring.top_n=3")) not in hashes
