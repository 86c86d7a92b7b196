"""What follows the visible run: lists that changed, names, a database; each is tried whatever becomes of the others."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from recsys_spark import following, stages
from recsys_spark.errors import ConfigError, DataError
from recsys_spark.following import follow
from recsys_spark.forgetting.erasure import forget
from recsys_spark.forgetting.request import Request
from recsys_spark.job import Job
from recsys_spark.rollback import roll_back
from tests.jobs import checkerboard, job_with, settings_of, write_source

FEED, STORED = "output.change_data_feed=true", "training.use_model=latest"
RATED_ANEW = 5


class Nights:
    """Nights on a few ratings, published to Delta tables."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.spark, self.folder, self.days = spark, folder, iter(range(1, 28))

    def job(self, *overrides: str, more: str = "", users: tuple[str, ...] = (), day: int | None = None) -> Job:
        write_source(self.folder / "ratings.txt", checkerboard() + more)
        given = (
            f"source.path={self.folder}/ratings.txt",
            f"output.path={self.folder}/output",
            "training.epochs=1",
            "training.batch_size=16",
            "training.refit=false",
            "evaluation.k=[]",
            "evaluation.bootstrap=0",
            "scoring.top_n=3",
        )
        as_of = date(2026, 1, day or next(self.days))
        return job_with(self.spark, settings_of(*given, *overrides), as_of=as_of, arguments={"users": Request(users)})

    def night(self, *overrides: str, more: str = "") -> Job:
        job = self.job(*overrides, more=more)
        stages.nightly(job)
        return job

    @property
    def lists(self) -> DeltaTable:
        return DeltaTable(self.folder / "output" / "user_lists")

    def changed(self, since: int) -> set[tuple[str, int]]:
        """Kinds of changes with their users, from a version of the table on."""
        found = pa.table(self.lists.load_cdf(starting_version=since)).to_pylist()
        return {(row["_change_type"], row["user_id"]) for row in found}

    def is_as_published(self) -> bool:
        """Whether the table holds the lists of `top_n`, all of them."""
        top_n = DeltaTable(self.folder / "output" / "top_n").to_pandas().sort_values(["user_id", "rank"])
        rows = self.lists.to_pandas()
        mine = {
            user: [(e["item_id"], e["score"]) for e in items]
            for user, items in zip(rows.user_id, rows["items"], strict=True)
        }
        return mine == {
            user: list(zip(entries.item_id, entries.score, strict=True)) for user, entries in top_n.groupby("user_id")
        }


@pytest.fixture
def nights(spark: SparkSession, tmp_path: Path) -> Nights:
    return Nights(spark, tmp_path)


@pytest.mark.slow
def test_user_lists_follows_nights_rollbacks_and_users_who_are_forgotten(nights: Nights) -> None:
    first = nights.night(FEED)
    everybody = set(DeltaTable(nights.folder / "output" / "top_n").to_pandas().user_id)
    assert first.summary.counts["lists_new"] == len(everybody) == 12
    assert nights.changed(0) == {("insert", user) for user in everybody}
    assert "user_lists" in first.summary.tables

    # the same model, one rating more: its user is folded in, all other lists are the same to the last bit
    before = nights.lists.version()
    rated = f"{RATED_ANEW}::2::5::900\n"
    second = nights.night(FEED, STORED, more=rated)
    assert nights.changed(before + 1) == {("update_preimage", RATED_ANEW), ("update_postimage", RATED_ANEW)}
    rows = nights.lists.to_pandas()
    assert set(rows[rows.changed_run_id == second.run.run_id].user_id) == {RATED_ANEW}
    assert nights.is_as_published()

    # a night that died before the table could follow; the next start has nothing else to do
    more = rated + "6::3::5::901\n"
    lost = nights.night(STORED, more=more)
    assert not nights.is_as_published()
    start = nights.job(FEED, STORED, more=more, day=lost.run.as_of.day)
    stages.nightly(start)
    assert start.summary.status == "nothing_to_do"
    assert start.summary.counts["lists_changed"] == 1
    assert nights.is_as_published()
    version = nights.lists.version()
    follow(start)
    assert nights.lists.version() == version, "it follows already"

    back = nights.job(FEED)
    roll_back(back, first.run.run_id)
    follow(back)
    assert {user for _, user in nights.changed(version + 1)} == {RATED_ANEW, 6}
    assert nights.is_as_published()

    gone = nights.job(FEED, users=(str(RATED_ANEW),))
    forget(gone)
    version = nights.lists.version()
    follow(gone, anew=True)
    assert gone.summary.counts["rows_removed_user_lists"] == 1
    assert set(nights.lists.to_pandas().user_id) == everybody - {RATED_ANEW}
    assert nights.lists.version() == version
    assert nights.is_as_published()


def test_a_catalog_that_ends_with_the_session_is_refused_before_anything_is_done(nights: Nights) -> None:
    job = nights.job("output.catalog=shop")

    with pytest.raises(ConfigError, match=r"output\.catalog"):
        stages.nightly(job)

    assert not (nights.folder / "output").exists()


def test_a_table_that_does_not_fit_is_told_before_anything_is_published(nights: Nights) -> None:
    assert nights.night(FEED).summary.counts["lists_new"] == 12
    assert nights.is_as_published()
    place = nights.folder / "output" / "top_n"
    nights.spark.sql(f"ALTER TABLE delta.`{place}` ADD COLUMN mine string")
    before = {table: DeltaTable(nights.folder / "output" / table).version() for table in ("top_n", "ratings", "runs")}

    with pytest.raises(DataError, match=r"top_n: mine \(unknown\)"):
        nights.night()

    assert {table: DeltaTable(nights.folder / "output" / table).version() for table in before} == before


def test_each_follower_is_tried_and_the_first_failure_ends_the_job(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def failing(name: str) -> None:
        tried.append(name)
        raise DataError(name, expected="an answer", found="none")

    for name in ("follow_lists_if_wanted", "name_tables_if_wanted", "serve_if_wanted"):
        monkeypatch.setattr(following, name, lambda job, name=name, **more: failing(name))
    job = nights.job()

    with pytest.raises(DataError) as raised:
        follow(job)

    assert tried == ["follow_lists_if_wanted", "name_tables_if_wanted", "serve_if_wanted"]
    assert raised.value.subject == tried[0]
    assert [warning.split(":")[1].strip() for warning in job.run.warnings] == tried[1:]
