"""Delta tables after `maintain`: fewer files, the same rows, and a log that still names the visible run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from recsys_spark.job import Job
from recsys_spark.maintenance.maintain import maintain
from recsys_spark.progress import Progress
from recsys_spark.publishing.delta import DeltaSink
from recsys_spark.schemas import RUNS, TOP_N, TOP_N_HISTORY
from recsys_spark.storage import Folder
from tests.contracts.sink import IDS, ledger, top_n
from tests.jobs import job_with, settings_of

FIRST, KILLED, LAST = "20260101T010000-aaaaaa", "20260102T010000-bbbbbb", "20260103T010000-cccccc"
NOW_OR_NEVER = (
    "maintenance.vacuum_hours=0",
    "maintenance.allow_short_retention=true",
    "maintenance.grace_hours=0",
    "maintenance.files_in_partition=1",
)


class Kept:
    """An output of two published runs and a killed one between them, before and after `maintain`."""

    def __init__(self, spark: SparkSession, output: Path) -> None:
        self.spark, self.output = spark, output
        for run_id in (FIRST, KILLED, LAST):
            sink, score = DeltaSink(spark, Folder(str(output)), IDS, run_id), float(run_id[7])
            sink.add_run(TOP_N_HISTORY, top_n(spark, run_id, score).coalesce(1), run_id=run_id, keep=7)
            if run_id != KILLED:
                sink.publish(TOP_N, top_n(spark, run_id, score).coalesce(1))
                sink.append(RUNS, ledger(spark, run_id).coalesce(1))
        # a write that was killed before its commit, a commit that never got its name, a table that never got a commit
        (output / "top_n" / "part-00009-dead.c000.snappy.parquet").write_bytes(b"PAR1")
        (output / "top_n" / "_delta_log" / ".00000000000000000009.json.0a1b.tmp").touch()
        (output / "metrics" / "_delta_log").mkdir(parents=True)
        self.rows_before = {name: self.rows(name) for name in ("top_n", "runs")}
        self.said: list[str] = []
        self.first = self.maintain(*NOW_OR_NEVER)

    def maintain(self, *overrides: str) -> Job:
        settings = settings_of(f"output.path={self.output}", "source.path=gone.csv", *overrides)
        job = job_with(self.spark, settings, progress=_Noted(self.said))
        maintain(job)
        return job

    def rows(self, table: str) -> list[str]:
        return sorted(map(repr, DeltaTable(self.output / table).to_pyarrow_table().to_pylist()))

    def files(self, table: str) -> int:
        return len([path for path in (self.output / table).rglob("*.parquet") if "_delta_log" not in path.parts])


class _Noted(Progress):
    """Keeps what is said."""

    def __init__(self, said: list[str]) -> None:
        super().__init__()
        self._said = said

    def say(self, text: str) -> None:
        self._said.append(text)


@pytest.fixture(scope="module")
def kept(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return Kept(spark, tmp_path_factory.mktemp("kept"))


@pytest.fixture(scope="module")
def version(kept: Kept) -> Callable[[str], int]:
    return lambda table: DeltaTable(kept.output / table).version()


@pytest.mark.slow
def test_readers_see_the_same_rows(kept: Kept) -> None:
    assert {name: kept.rows(name) for name in ("top_n", "runs")} == kept.rows_before


def test_files_that_no_version_needs_are_gone_and_counted(kept: Kept) -> None:
    counts = kept.first.summary.counts

    assert kept.files("top_n") == len(DeltaTable(kept.output / "top_n").file_uris())
    assert not (kept.output / "top_n" / "part-00009-dead.c000.snappy.parquet").exists()
    # top_n: of the first run and of the killed write; runs: two that are one now; history: of the killed run
    assert counts["removed_files"] == 5
    assert counts["removed_files_bytes"] > 1000


def test_many_small_files_become_one(kept: Kept) -> None:
    assert kept.files("runs") == 1
    assert "runs: 2 files put together to 1" in kept.said


def test_the_history_forgets_a_run_that_never_became_visible(kept: Kept) -> None:
    runs = DeltaTable(kept.output / "top_n_history").to_pyarrow_table()["run_id"].to_pylist()

    assert set(runs) == {FIRST, LAST}
    assert f"top_n_history forgets {KILLED}" in kept.said
    assert not (kept.output / "top_n_history" / f"run_id={KILLED}").exists()


def test_the_newest_commit_of_top_n_that_names_a_run_names_the_visible_one(kept: Kept) -> None:
    told = [commit.get("userMetadata") for commit in DeltaTable(kept.output / "top_n").history()]

    assert told == [f"run_id={LAST}", f"run_id={FIRST}"]


def test_no_compaction_claims_to_be_a_run(kept: Kept) -> None:
    newest = DeltaTable(kept.output / "runs").history(1)[0]

    assert (newest["operation"], newest.get("userMetadata")) == ("OPTIMIZE", None)


def test_what_never_got_a_name_or_a_commit_is_gone(kept: Kept) -> None:
    assert not list((kept.output / "top_n" / "_delta_log").glob(".*.tmp"))
    assert not (kept.output / "metrics").exists()


def test_a_second_time_there_is_nothing_to_do_and_no_commit_is_made(kept: Kept, version: Callable[[str], int]) -> None:
    before = {table: version(table) for table in ("top_n", "top_n_history", "runs")}

    again = kept.maintain(*NOW_OR_NEVER)

    assert again.summary.counts == {}
    assert kept.said[-1] == "removed: nothing"
    assert {table: version(table) for table in before} == before


def test_files_that_readers_of_the_last_week_may_need_stay(kept: Kept) -> None:
    stale = kept.output / "top_n" / "part-00008-dead.c000.snappy.parquet"
    stale.touch()

    kept.maintain("maintenance.grace_hours=0")

    assert stale.exists()
