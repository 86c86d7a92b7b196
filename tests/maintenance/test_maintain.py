"""Parquet nights, what a kill may leave beside them, and `maintain`: the sound stays, the rest goes, at any moment."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from recsys_spark import stages
from recsys_spark.ingest.encoding import Vocabularies
from recsys_spark.job import Job
from recsys_spark.maintenance.maintain import maintain
from recsys_spark.storage import Folder
from tests.jobs import JobMaker, checkerboard, night_of, parquet_jobs, published, write_source
from tests.maintenance.leavings import HEX, put, tree

KILLED = "20260101T000000-abcdef"
AT_ONCE = ("maintenance.grace_hours=0", "maintenance.stages=1", "maintenance.models=1")


@pytest.fixture(scope="module")
def job(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> JobMaker:
    """Makes a job on ratings of so many users; each call is a new attempt at the same output."""
    folder = tmp_path_factory.mktemp("nights")

    def make(users: int, *overrides: str) -> Job:
        source = folder / f"{users}.txt"
        write_source(source, checkerboard(users, 8))
        small = ("training.epochs=1", "split={test_fraction: 0, validation_fraction: 0}")
        return parquet_jobs(spark, folder, f"source.path={source}", *small)(*overrides)

    return make


@pytest.fixture(scope="module")
def nights(job: JobMaker) -> list[Job]:
    """Two nights, the second with more users; after them, everything that a kill may leave."""
    return [night_of(job(users)) for users in (6, 9)]


def output(job: Job) -> Path:
    return Path(job.settings.output.path)


def visible(job: Job) -> pd.DataFrame:
    return published(job).sort_values(["user_id", "rank"], ignore_index=True)


def rubbish(job: Job) -> set[str]:
    """Lay out what a kill may leave; gives the top of each."""
    place = output(job)
    put(place / "_work" / "score-0123456789abcdef" / "lists" / "part-0.parquet")
    put(place / "_work" / f".stage.json.{HEX}")
    put(place / "published" / KILLED / "top_n" / "part-0.parquet")
    put(place / "top_n_history" / f"_unfinished-{KILLED}" / "part-0.parquet")
    put(place / "top_users" / KILLED / "part-0.parquet")
    put(place / "state" / "users" / f"000001-{KILLED}" / "part-0.parquet")
    put(place / "state" / f".vocabularies.json.{HEX}")
    put(place / "models" / f".dot.{HEX}.draft" / "manifest.json")
    put(place / f".current.json.{HEX}")
    (place / f".current.{KILLED}").symlink_to(f"published/{KILLED}")
    return {path for path in tree(place) if KILLED in path or HEX in path or "score-0123456789abcdef" in path}


def test_what_a_kill_left_goes_and_what_is_sound_stays(job: JobMaker, nights: list[Job]) -> None:
    last = nights[1]
    sound, lists, vocabularies = tree(output(last)), visible(last), Vocabularies.load(last.run.state)
    left = rubbish(last)
    assert len(left) > 10

    upkeep = job(9, "maintenance.grace_hours=0")
    maintain(upkeep)

    assert not left & tree(output(last))
    assert sound <= tree(output(last))
    pd.testing.assert_frame_equal(visible(last), lists)
    assert Vocabularies.load(last.run.state) == vocabularies
    assert upkeep.run.warnings == []
    assert upkeep.summary.counts["removed_temporaries"] >= 5


def test_old_stages_and_models_go_and_the_next_night_goes_on_from_what_stays(job: JobMaker, nights: list[Job]) -> None:
    last, upkeep = nights[1], job(9, *AT_ONCE, "output.history=1")

    maintain(upkeep)

    assert (output(last) / "models").is_dir()
    assert [p.name for p in (output(last) / "models").iterdir()] == [last.summary.model_id]
    assert [p.name for p in (output(last) / "published").iterdir()] == [last.run.run_id]
    assert [p.name for p in (output(last) / "top_n_history").iterdir() if "run_id" in p.name] == [
        f"run_id={last.run.run_id}"
    ]
    assert [p.name.partition("-")[0] for p in sorted((output(last) / "_work").iterdir())] == [
        "evaluate",
        "ingest",
        "score",
        "train",
    ]
    lists = visible(last)
    again = job(9)
    stages.score_and_publish(again)
    changing = ["run_id", "generated_at"]
    pd.testing.assert_frame_equal(visible(again).drop(columns=changing), lists.drop(columns=changing))


def test_a_kill_of_maintain_itself_leaves_a_sound_output(
    job: JobMaker, nights: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    last = nights[1]
    left, lists = rubbish(last), visible(last)
    delete, calls = Folder.delete, 0

    def killed(folder: Folder) -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        delete(folder)

    with monkeypatch.context() as patched:
        patched.setattr(Folder, "delete", killed)
        with pytest.raises(KeyboardInterrupt):
            maintain(job(9, *AT_ONCE))
    assert left & tree(output(last))
    pd.testing.assert_frame_equal(visible(last), lists)

    maintain(job(9, *AT_ONCE))
    assert not left & tree(output(last))
    pd.testing.assert_frame_equal(visible(last), lists)


def test_young_leftovers_stay_since_a_job_may_be_at_work_on_them(job: JobMaker, nights: list[Job]) -> None:
    young = output(nights[1]) / "_work" / "score-fedcba9876543210" / "part-0.parquet"
    young.parent.mkdir()
    young.touch()

    maintain(job(9))

    assert young.exists()


def test_additions_stay_where_the_vocabularies_file_is_missing_beside_published_lists(
    job: JobMaker, nights: list[Job]
) -> None:
    state = output(nights[1]) / "state"
    stored = json.loads((state / "vocabularies.json").read_text())
    (state / "vocabularies.json").unlink()
    before = tree(state)

    upkeep = job(9, *AT_ONCE)
    maintain(upkeep)

    assert tree(state) == before
    assert "lists no vocabularies" in upkeep.run.warnings[0]
    (state / "vocabularies.json").write_text(json.dumps(stored))


def test_an_output_that_was_never_written_is_no_fault(job: JobMaker, tmp_path: Path) -> None:
    upkeep = job(9, *AT_ONCE, f"output.path={tmp_path}/none")

    maintain(upkeep)

    assert upkeep.summary.counts == {}
    assert not (tmp_path / "none").exists()
