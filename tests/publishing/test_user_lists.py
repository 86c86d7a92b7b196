"""The table of changed lists: its feed names exactly the users to sync, to Spark and to delta-rs alike."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyspark.sql import DataFrame, SparkSession

from recsys_spark.forgetting.delta import DeltaTable as TableToClean
from recsys_spark.ingest.forgotten import Forgotten
from recsys_spark.maintenance import delta_tables
from recsys_spark.publishing.user_lists import UserLists, differences, lists_of
from recsys_spark.schemas import TOP_N, PinnedIds
from recsys_spark.storage import Folder
from tests.forgetting.decoding import traces

IDS = PinnedIds(user="string", item="long")
Lists = dict[tuple[str, str | None], list[tuple[int, float]]]
"""For user and variant the items with their scores."""

NIGHT: Lists = {
    ("ann", None): [(7, 4.5), (5, 4.25)],
    ("ann", "short"): [(7, 4.5)],
    ("bob", None): [(6, 3.0), (7, 2.0)],
    ("cleo@9f31", None): [(5, 1.5)],
}
ANN, BOB, CLEO = "ann", "bob", "cleo@9f31"
NOW = datetime(2026, 1, 5, 3, tzinfo=UTC)


def top_n(spark: SparkSession, lists: Lists, run_id: str) -> DataFrame:
    rows = [
        {
            "user_id": user,
            "variant": variant,
            "rank": rank,
            "item_id": item,
            "score": score,
            "reason": "model",
            "run_id": run_id,
            "model_id": "dot-1",
            "as_of": date(2026, 1, 5),
            "generated_at": NOW,
        }
        for (user, variant), entries in lists.items()
        for rank, (item, score) in enumerate(entries, start=1)
    ]
    # the last entry of a list comes first: the order of the rows must not count
    return spark.createDataFrame(pa.Table.from_pylist(rows[::-1], TOP_N.arrow(IDS)))


class Follower:
    """The table in a folder, and the nights that it follows."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.spark, self.place = spark, folder / "user_lists"
        self.table = UserLists(spark, Folder(str(self.place)), IDS)
        self.staged = folder / "staged"

    def follow(self, lists: Lists, run_id: str) -> tuple[int, int, int]:
        """How many lists were new, have changed, are gone."""
        counts = self.table.follow(
            top_n(self.spark, lists, run_id),
            visible=run_id,
            changed_by=f"by-{run_id}",
            changed_at=NOW,
            staged=Folder(str(self.staged)),
        )
        assert not self.staged.exists()
        return counts["lists_new"], counts["lists_changed"], counts["lists_gone"]

    @property
    def version(self) -> int:
        return DeltaTable(self.place).version()

    def rows(self) -> pd.DataFrame:
        return DeltaTable(self.place).to_pandas().sort_values(["user_id", "variant"], ignore_index=True)

    def feed_of_spark(self, since: int) -> list[tuple[Any, ...]]:
        reader = self.spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", since)
        rows = reader.load(str(self.place)).select("_change_type", "user_id", "variant", "items.item_id").collect()
        return sorted(map(str, rows))

    def feed_of_delta_rs(self, since: int) -> list[str]:
        rows = pa.table(DeltaTable(self.place).load_cdf(starting_version=since)).to_pylist()
        return sorted(f"{row['_change_type']} {row['user_id']} {row['variant']}" for row in rows)


@pytest.fixture
def follower(spark: SparkSession, tmp_path: Path) -> Follower:
    """Of the first night."""
    made = Follower(spark, tmp_path)
    assert made.follow(NIGHT, "run-1") == (4, 0, 0)
    return made


def test_a_feed_between_two_nights_names_the_lists_that_differ_and_no_other(follower: Follower) -> None:
    assert follower.feed_of_delta_rs(0) == sorted(f"insert {user} {variant}" for user, variant in NIGHT)
    first = follower.version
    other = NIGHT | {(ANN, "short"): [(5, 4.5)], (BOB, None): [(6, 3.0), (7, 2.0000002)], ("new", None): [(1, 1.0)]}
    del other[CLEO, None]

    assert follower.follow(other, "run-2") == (1, 2, 1)

    expected = [
        f"delete {CLEO} None",
        "insert new None",
        *(f"update_{image} {of}" for image in ("postimage", "preimage") for of in (f"{ANN} short", f"{BOB} None")),
    ]
    assert follower.feed_of_delta_rs(first + 1) == sorted(expected)
    by_spark = [
        row.replace("Row(_change_type='", "").replace("', user_id='", " ") for row in follower.feed_of_spark(first + 1)
    ]
    assert [row.partition("', variant")[0] for row in by_spark] == [row.rpartition(" ")[0] for row in sorted(expected)]
    rows = follower.rows().set_index(["user_id", "variant"])
    signed = rows[rows.changed_run_id == "by-run-2"].index
    assert {(user, None if pd.isna(variant) else variant) for user, variant in signed} == {
        (ANN, "short"),
        (BOB, None),
        ("new", None),
    }


def test_lists_are_whole_and_in_their_order(follower: Follower) -> None:
    rows = follower.rows()
    found = {
        (user, None if pd.isna(variant) else variant): [(e["item_id"], e["score"]) for e in items]
        for user, variant, items in zip(rows.user_id, rows.variant, rows["items"], strict=True)
    }

    assert found == NIGHT
    assert all([e["rank"] for e in items] == list(range(1, len(items) + 1)) for items in rows["items"])
    assert set(rows.changed_as_of) == {date(2026, 1, 5)}
    # any reader opens it
    assert DeltaTable(follower.place).protocol().min_reader_version == 1
    assert pl.read_delta(str(follower.place)).height == len(NIGHT)


def test_a_night_that_changes_no_list_changes_no_file_and_is_known_all_the_same(follower: Follower) -> None:
    files, version = DeltaTable(follower.place).file_uris(), follower.version

    assert follower.follow(NIGHT, "run-2") == (0, 0, 0)

    assert DeltaTable(follower.place).file_uris() == files
    assert follower.table.reflected_run() == "run-2"
    assert follower.feed_of_spark(version + 1) == follower.feed_of_delta_rs(version + 1) == []
    assert set(follower.rows().changed_run_id) == {"by-run-1"}


def test_each_change_is_one_commit_that_names_the_run(follower: Follower) -> None:
    follower.follow({(ANN, None): NIGHT[ANN, None]}, "run-2")
    follower.follow(NIGHT, "run-1")  # as after a rollback

    commits = DeltaTable(follower.place).history()

    assert [commit.get("userMetadata") for commit in commits] == ["run_id=run-1", "run_id=run-2", "run_id=run-1"]
    assert follower.table.reflected_run() == "run-1"


def test_whoever_is_forgotten_is_in_no_file_and_the_feed_begins_anew(follower: Follower, tmp_path: Path) -> None:
    follower.follow({list_: entries for list_, entries in NIGHT.items() if list_[0] != BOB}, "run-2")
    follower.follow(NIGHT | {(CLEO, None): [(7, 1.75)]}, "run-3")
    assert any("_change_data" in place for place in traces(tmp_path, CLEO))
    before = follower.version
    forgotten = Forgotten.empty().joined_by([CLEO])

    def erase() -> int:
        return TableToClean(follower.spark, Folder(str(follower.place)), "user_lists").erase(forgotten)

    assert erase() == 1

    assert traces(tmp_path, CLEO) == []
    assert set(follower.rows().user_id) == {ANN, BOB}
    assert follower.table.reflected_run() == "run-3"
    for old in (0, before):
        with pytest.raises(Exception, match=r"version|VERSION|log files"):
            follower.feed_of_spark(old)
        with pytest.raises(Exception, match="version"):
            follower.feed_of_delta_rs(old)
    after = follower.version
    assert erase() == 0
    assert follower.version == after
    follower.follow({(ANN, None): NIGHT[ANN, None]}, "run-4")
    expected = [f"delete {ANN} short", f"delete {BOB} None"]
    assert follower.feed_of_delta_rs(after) == expected
    assert len(follower.feed_of_spark(after)) == len(expected)


def test_maintenance_is_no_change_and_takes_the_files_of_old_changes(follower: Follower) -> None:
    follower.follow(NIGHT | {(ANN, "short"): [(5, 4.5)]}, "run-2")
    assert (follower.place / "_change_data").exists()
    follower.follow(NIGHT | {(ANN, "short"): [(5, 4.5)], ("new", None): [(1, 1.0)]}, "run-3")
    place, version, spark = Folder(str(follower.place)), follower.version, follower.spark
    before = follower.rows()

    assert delta_tables.compact(spark, place, most=1) == (2, 1)
    with delta_tables.ready_to_vacuum(spark):
        delta_tables.vacuum(spark, place, hours=0, now=datetime.now(UTC))

    assert follower.feed_of_spark(version + 1) == follower.feed_of_delta_rs(version + 1) == []
    assert not (follower.place / "_change_data").exists()
    pd.testing.assert_frame_equal(follower.rows(), before)
    assert follower.table.reflected_run() == "run-3"
    assert follower.follow({(ANN, None): NIGHT[ANN, None]}, "run-4") == (0, 0, 4)


def test_entries_differ_by_any_of_their_columns_and_nulls_are_equal(spark: SparkSession) -> None:
    before = lists_of(top_n(spark, NIGHT, "run-1"))
    assert differences(before, lists_of(top_n(spark, NIGHT, "run-2"))).count() == 0
    for column, value in (("score_std", "0.5f"), ("reason", "'rule'"), ("predicted_rating", "1f"), ("item_id", "9")):
        changed = top_n(spark, NIGHT, "run-2").selectExpr(
            *(
                f"if(user_id = 'bob' and rank = 2, {value}, {column}) as {column}" if name == column else name
                for name in (c.name for c in TOP_N.columns)
            )
        )
        assert [row["user_id"] for row in differences(before, lists_of(changed)).collect()] == [BOB], column
