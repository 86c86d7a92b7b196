"""Nights that repeat, replace, follow and precede each other, that die and go on, in one session."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from recsys_spark import bookkeeping, stages
from recsys_spark.errors import AuditError, ConfigError, DataError
from recsys_spark.job import Job
from recsys_spark.rollback import roll_back
from tests.jobs import JobMaker, checkerboard, job_with, night_of, published, settings_of, write_source

QUICK = (
    "training.epochs=1",
    "training.batch_size=64",
    "training.refit=false",
    "split.validation_fraction=0",
    "evaluation.bootstrap=0",
    "evaluation.k=[]",
)
RESULT = ["user_id", "variant", "rank", "item_id", "score"]


@pytest.fixture(scope="module")
def night(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> JobMaker:
    """Makes a job on a file of ratings, those of `checkerboard()` unless others are given, for a day of March 2026."""
    folder = tmp_path_factory.mktemp("nights")

    def make(
        *overrides: str,
        ratings: str | None = None,
        day: int = 2,
        output: str = "output",
        name: str = "nightly",
        **arguments: str,
    ) -> Job:
        source = folder / "ratings.txt"
        write_source(source, checkerboard() if ratings is None else ratings)
        given = (f"source.path={source}", f"output.path={folder}/{output}", "output.format=parquet", *QUICK, *overrides)
        return job_with(spark, settings_of(*given), as_of=date(2026, 3, day), name=name, arguments=arguments)

    return make


@pytest.fixture(scope="module")
def finished(night: JobMaker) -> tuple[Job, Path]:
    """A night of March 2, and a copy of what it has left."""
    job = night_of(night())
    copy = job.run.output.path.with_name("copy")
    shutil.copytree(job.run.output.path, copy, symlinks=True)
    return job, copy


@pytest.fixture
def first(finished: tuple[Job, Path]) -> Job:
    """A night of March 2, whose output is again as it was that morning, whatever other tests have done to it."""
    job, copy = finished
    shutil.rmtree(job.run.output.path)
    shutil.copytree(copy, job.run.output.path, symlinks=True)
    return job


def lists(job: Job) -> pd.DataFrame:
    return published(job).sort_values(["user_id", "rank"]).reset_index(drop=True)


def ledger(job: Job) -> pd.DataFrame:
    table = pd.read_parquet(job.run.output.path / "runs")
    return table.astype({"run_id": str}).set_index("run_id").sort_index()


def history(job: Job) -> set[str]:
    return set(pd.read_parquet(job.run.output.path / "top_n_history").run_id.astype(str))


def test_the_same_night_twice_is_done_once_and_says_so(
    first: Job, night: JobMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    again = night_of(night())

    assert again.summary.status == "nothing_to_do"
    assert again.summary.model_id == first.summary.model_id
    assert first.run.run_id in capsys.readouterr().err
    assert list(ledger(first).index) == [first.run.run_id]
    assert set(lists(first).run_id) == {first.run.run_id}


def test_another_input_for_the_same_date_replaces_the_night_and_says_why(first: Job, night: JobMaker) -> None:
    changed = night_of(night(ratings=checkerboard() + "3::1::5::900\n"))

    assert changed.summary.status == "published"
    assert f"published by run {first.run.run_id}: replaced (changed input)" in changed.run.warnings[0]
    assert set(lists(first).run_id) == {changed.run.run_id}


def test_the_same_input_on_the_next_day_is_published_from_the_stages_that_are_there(
    first: Job, night: JobMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    next_day = night_of(night(day=3))

    told = capsys.readouterr().err
    assert all(
        f"{stage} was finished for the same inputs" in told for stage in ("ingest", "train", "evaluate", "score")
    )
    assert next_day.summary.status == "published"
    nobody_came_or_went = dict.fromkeys(("users_new", "users_gone", "items_new", "items_gone"), 0)
    assert next_day.summary.counts == first.summary.counts | nobody_came_or_went
    assert next_day.summary.metrics == first.summary.metrics
    assert set(lists(first).as_of) == {date(2026, 3, 3)}


def test_a_back_fill_enters_the_history_and_never_the_visible_table(first: Job, night: JobMaker) -> None:
    before = lists(first)
    back_fill = night_of(night(ratings=checkerboard(users=14), day=1))

    assert back_fill.summary.status == "history_only"
    assert "top_n_history only" in back_fill.run.warnings[0]
    pd.testing.assert_frame_equal(lists(first), before)
    assert history(first) == {first.run.run_id, back_fill.run.run_id}
    assert list(ledger(first).status) == ["published", "history_only"]
    assert len(published(first, "users")) == 12


def test_a_night_that_died_goes_on_after_its_last_finished_stage(
    first: Job, night: JobMaker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def dies(job: Job) -> None:
        (job.folder("score").path / "lists").mkdir(parents=True)
        (job.folder("score").path / "lists" / "half.parquet").write_text("half of a list")
        raise MemoryError

    # shorter lists: all but the stage that dies is there
    shorter = "scoring.top_n=2"
    with monkeypatch.context() as dying:
        dying.setattr(stages, "score", dies)
        with pytest.raises(MemoryError):
            stages.nightly(night(shorter))
    expected = lists(first).query("rank <= 2")[RESULT].reset_index(drop=True)
    capsys.readouterr()

    second = night_of(night(shorter))

    told = capsys.readouterr().err
    assert "evaluate was finished" in told
    assert "score was finished" not in told
    assert second.summary.status == "published"
    pd.testing.assert_frame_equal(lists(second)[RESULT], expected)


def test_a_night_that_is_forced_believes_no_stage_and_gives_the_same_rows(
    first: Job, night: JobMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    before = lists(first)[RESULT]
    forced = night_of(night("run.force=true"))

    assert "was finished" not in capsys.readouterr().err
    pd.testing.assert_frame_equal(lists(forced)[RESULT], before)
    assert set(lists(forced).run_id) == {forced.run.run_id}
    assert "run.force" in forced.run.warnings[0]


def test_from_a_stage_on_everything_is_done_again(
    first: Job, night: JobMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    night_of(night(from_stage="train"))

    told = capsys.readouterr().err
    assert "ingest was finished" in told
    for stage in ("train", "evaluate", "score"):
        assert f"{stage} was finished" not in told
        assert f"{stage} done" in told


def test_a_stage_whose_model_is_gone_is_done_again(
    first: Job, night: JobMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    assert first.summary.model_id is not None
    (first.run.models / first.summary.model_id).delete()
    capsys.readouterr()

    night_of(night(day=3))

    told = capsys.readouterr().err
    assert "train was finished" not in told
    assert "score was finished" not in told


@pytest.mark.parametrize("damage", ["cut short", "lost"])
def test_a_stage_with_a_damaged_file_is_done_again(
    first: Job, night: JobMaker, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    expected = lists(first)[RESULT]
    file = next((first.folder("score").path / "lists").glob("*.parquet"))
    if damage == "lost":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:100])
    capsys.readouterr()

    night_of(night(day=3))

    told = capsys.readouterr().err
    assert "evaluate was finished" in told
    assert "score was finished" not in told
    pd.testing.assert_frame_equal(lists(first)[RESULT], expected)


def test_a_run_that_died_between_publishing_and_its_ledger_is_entered_by_the_next_one(
    first: Job, night: JobMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    # as if it were the first of all: there is no ledger yet
    (first.run.output / "runs").delete()
    dead = night(day=3)
    with monkeypatch.context() as dying:
        dying.setattr(stages, "enter", _out_of_memory)
        with pytest.raises(MemoryError):
            stages.nightly(dead)
    assert not (dead.run.output.path / "runs").exists()

    after = night_of(night(day=3))

    assert after.summary.status == "nothing_to_do"
    assert dead.run.run_id in after.run.warnings[0]
    assert list(ledger(dead).index) == [dead.run.run_id]
    summary = dead.run.summaries.read_json(f"{dead.run.run_id}.json")
    assert summary["status"] == "published"
    assert not (dead.run.state.path / "publishing.json").exists()


def test_a_run_that_died_before_it_was_visible_leaves_no_rows_behind(
    first: Job, night: JobMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, dead = lists(first), night(day=3)
    with monkeypatch.context() as dying:
        dying.setattr("recsys_spark.publishing.parquet.ParquetSink.publish", _out_of_memory)
        with pytest.raises(MemoryError):
            stages.nightly(dead)
    pd.testing.assert_frame_equal(lists(first), before)
    assert dead.run.run_id in history(first)

    after = night_of(night(day=3))

    assert "before its lists were visible" in after.run.warnings[0]
    assert history(first) == {first.run.run_id, after.run.run_id}
    assert list(ledger(first).index) == [first.run.run_id, after.run.run_id]


def test_who_was_taken_over_publishes_nothing(first: Job, night: JobMaker) -> None:
    suspended = night(day=3)

    def taken() -> None:
        raise DataError("lock", expected="mine", found="theirs")

    suspended.check_lock = taken
    with pytest.raises(DataError):
        stages.nightly(suspended)

    assert set(lists(first).run_id) == {first.run.run_id}
    assert history(first) == {first.run.run_id}


def test_a_rollback_shows_the_earlier_lists_and_is_in_the_ledger(first: Job, night: JobMaker) -> None:
    before, shorter = lists(first), "scoring.top_n=2"
    night_of(night(shorter, day=3))
    assert len(lists(first)) < len(before)

    back = night(shorter, name="rollback", day=4)
    roll_back(back, first.run.run_id)

    pd.testing.assert_frame_equal(lists(first), before)
    entry = ledger(first).loc[back.run.run_id]
    assert (entry.job, entry.status, entry.restored_run) == ("rollback", "published", first.run.run_id)
    assert back.summary.model_id == first.summary.model_id
    # the date of the visible run is the earlier one again, so the later one is no back-fill
    third = night_of(night(shorter, day=3))
    assert third.summary.status == "published"


def test_a_rollback_to_nowhere_names_the_runs_there_are(first: Job, night: JobMaker) -> None:
    with pytest.raises(ConfigError, match="no run at all"):
        roll_back(night(output="nowhere", name="rollback"), "20260101T000000-abcdef")

    with pytest.raises(ConfigError, match=first.run.run_id):
        roll_back(night(name="rollback"), "20260101T000000-abcdef")
    with pytest.raises(ConfigError, match="which is"):
        roll_back(night(name="rollback"), first.run.run_id)


def test_an_audit_that_fails_keeps_the_stage_and_the_next_start_audits_it_again(
    first: Job, night: JobMaker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AuditError("rule of the day", expected="luck", found="none")

    shorter = "scoring.top_n=2"
    with monkeypatch.context() as strict:
        strict.setattr(stages, "audit_night", refused)
        with pytest.raises(AuditError):
            stages.nightly(night(shorter))
    assert "score was finished" not in capsys.readouterr().err

    second = night_of(night(shorter))

    assert "score was finished" in capsys.readouterr().err
    assert second.summary.status == "published"


def _out_of_memory(*_: object, **__: object) -> None:
    raise MemoryError


def test_sections_that_no_night_depends_on_do_not_change_what_a_run_is(night: JobMaker) -> None:
    hashes = {bookkeeping.config_hash(night(*more)) for more in ((), ("run.force=true",), ("tune.trials=3",))}

    assert len(hashes) == 1
    assert bookkeeping.config_hash(night("scoring.top_n=3")) not in hashes
