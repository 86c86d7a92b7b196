"""The tables of an ingest: one order for training, one row for each id, one list for each user."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.ingest.tables import (
    FEWEST_IN_A_BLOCK,
    describe_ids,
    in_training_order,
    read_training_set,
    seen_lists,
    seen_pairs,
    users_in_a_block,
)
from recsys_spark.storage import Folder

ENCODED = (
    "user_id string, item_id bigint, user_index int, item_index int, rating double, timestamp timestamp, part string"
)
USERS, ITEMS = 60, 40


def ratings() -> list[tuple[Any, ...]]:
    """Every third field of a table of users and items, rated by what they are called; some have no time."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    return [
        (f"user {u}", i, u, i, (u * i % 9) / 2, None if i % 4 else start + timedelta(hours=u), ("train", "test")[i % 2])
        for u in range(USERS)
        for i in range(ITEMS)
        if (u + i) % 3 == 0
    ]


def stored_rows(folder: Folder) -> list[tuple[Any, ...]]:
    """All rows in the order of training: file by file in the order of their names."""
    columns = ["user", "item", "rating", "timestamp", "part", "user_id", "item_id"]
    tables = [pq.read_table(file, columns=columns, partitioning=None) for file in folder.parquet_files()]
    return [tuple(map(_plain, row.values())) for table in tables for row in table.to_pylist()]


def _plain(value: Any) -> Any:
    """Times as seconds since 1970: readers differ in how they present them."""
    return value.timestamp() if isinstance(value, datetime) else value


@pytest.fixture(scope="module")
def stored(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> list[Folder]:
    """The same ratings in several orders and partitionings, each in several files."""
    merge_small_files = "spark.sql.adaptive.coalescePartitions.enabled"
    folders = []
    spark.conf.set(merge_small_files, "false")
    for partitions in (1, 3, 7):
        rows = random.Random(partitions).sample(ratings(), len(ratings()))
        folders.append(Folder(str(tmp_path_factory.mktemp("training") / str(partitions))))
        encoded = spark.createDataFrame(rows, ENCODED).repartition(partitions)
        in_training_order(encoded).write.parquet(str(folders[-1]))
    spark.conf.unset(merge_small_files)
    return folders


def test_training_reads_the_rows_sorted_by_user_and_item_whatever_the_partitioning(stored: list[Folder]) -> None:
    expected = [(u, i, rating, _plain(time), part, user, item) for user, item, u, i, rating, time, part in ratings()]

    for folder in stored:
        assert stored_rows(folder) == expected


def test_one_users_rows_lie_in_one_file(stored: list[Folder]) -> None:
    users = [set(pq.read_table(file, columns=["user"])["user"].to_pylist()) for file in stored[0].parquet_files()]

    assert len(users) > 1
    assert sum(map(len, users)) == len(set.union(*users)) == USERS


def test_ratings_of_one_pair_are_ordered_by_time_and_rating(spark: SparkSession, tmp_path: Path) -> None:
    time = datetime(2024, 1, 1, tzinfo=UTC)
    same = [(time, 2.0), (time, 1.0), (None, 5.0), (time - timedelta(1), 3.0)]
    rows = [("ann", 7, 0, 0, rating, when, "train") for when, rating in same]

    in_training_order(spark.createDataFrame(rows, ENCODED)).write.parquet(str(tmp_path / "t"))

    assert [row[2] for row in stored_rows(Folder(str(tmp_path / "t")))] == [5.0, 3.0, 1.0, 2.0]


def test_the_training_set_has_compact_types_and_comes_back_under_the_names_of_the_tables(
    spark: SparkSession, stored: list[Folder]
) -> None:
    schema = pq.read_schema(stored[0].parquet_files()[0])
    types = {name: str(schema.field(name).type) for name in ("user", "item", "rating")}
    assert types == {"user": "int32", "item": "int32", "rating": "float"}

    found = read_training_set(spark, stored[0]).columns
    assert found == ["user_id", "item_id", "user_index", "item_index", "rating", "timestamp", "part"]


PAIRS = [(0, 3, 1), (0, 1, 1), (0, 3, 0), (2, 2, 0), (0, 1, 0), (2, 0, 1), (3, 1, 0)]


@pytest.fixture(scope="module")
def pairs(spark: SparkSession) -> DataFrame:
    accepted, others = (
        spark.createDataFrame([pair[:2] for pair in PAIRS if pair[2] == kind], "user_index int, item_index int")
        for kind in (1, 0)
    )
    return seen_pairs(accepted, others)


def test_seen_pairs_are_the_accepted_ratings_and_the_others(pairs: DataFrame) -> None:
    assert sorted(tuple(row) for row in pairs.collect()) == sorted(PAIRS)


def test_without_other_rows_only_accepted_ratings_are_seen(spark: SparkSession) -> None:
    accepted = spark.createDataFrame([(1, 2)], "user_index int, item_index int")

    assert [tuple(row) for row in seen_pairs(accepted, None).collect()] == [(1, 2, 1)]


def test_seen_lists_are_sorted_without_repetition_and_empty_for_who_has_seen_nothing(
    spark: SparkSession, pairs: DataFrame
) -> None:
    users = spark.createDataFrame(
        [("dan", 3, 0), ("ann", 0, 2), ("bob", 1, 0)], "user_id string, user_index int, n_ratings bigint"
    )

    lists = seen_lists(users, pairs, n_users=4, n_items=4)

    assert [tuple(row) for row in lists.collect()] == [
        ("ann", 0, 2, [1, 3], []),
        ("bob", 1, 0, [], []),
        ("dan", 3, 0, [1], []),
    ]
    assert dict(lists.dtypes)["seen"] == dict(lists.dtypes)["barred"] == "array<int>"


def test_barred_lists_stand_beside_the_seen_ones_for_the_users_of_the_run_alone(
    spark: SparkSession, pairs: DataFrame
) -> None:
    users = spark.createDataFrame(
        [("ann", 0, 2), ("bob", 1, 0), ("dan", 3, 0)], "user_id string, user_index int, n_ratings bigint"
    )
    barred = spark.createDataFrame([(3, 2), (1, 3), (1, 0), (1, 3), (2, 1)], "user_index int, item_index int")

    lists = seen_lists(users, pairs, barred, n_users=4, n_items=4)

    assert [tuple(row) for row in lists.collect()] == [
        ("ann", 0, 2, [1, 3], []),
        ("bob", 1, 0, [], [0, 3]),
        ("dan", 3, 0, [1], [2]),
    ]


def test_a_partition_of_seen_lists_is_a_block_of_neighbouring_users(spark: SparkSession) -> None:
    n_users, n_items = 5000, 1_000_000  # blocks of the least size
    present = spark.range(n_users).selectExpr("id as user_id", "int(id) as user_index", "1L as n_ratings")
    present = present.where(f"user_index % 3 = 0 and user_index div {FEWEST_IN_A_BLOCK} <> 2").repartition(3)
    pairs = spark.range(n_users).selectExpr("int(id) as user_index", "int(id) as item_index")

    lists = seen_lists(present, pairs, n_users=n_users, n_items=n_items).withColumn("at", F.spark_partition_id())

    rows = lists.select("at", "user_index", "seen").collect()
    assert {(row["at"], row["user_index"] // FEWEST_IN_A_BLOCK) for row in rows} == {(b, b) for b in (0, 1, 3, 4)}
    assert [row["user_index"] for row in rows] == sorted(row["user_index"] for row in present.collect())
    assert all(row["seen"] == [row["user_index"]] for row in rows)


@pytest.mark.parametrize(
    ("n_items", "expected"), [(0, 4096), (100, 4096), (26_744, 2048), (100_000, 1024), (10**9, 1024)]
)
def test_a_block_holds_fewer_users_the_more_items_there_are(n_items: int, expected: int) -> None:
    assert users_in_a_block(n_items) == expected


VOCABULARY = [(7, 0, "run-1"), (8, 1, "run-1"), (9, 2, "run-2"), (10, 3, "run-2")]


def described(
    spark: SparkSession, metadata: list[tuple[Any, ...]], pairs: DataFrame, *, only_described: bool
) -> dict[int, tuple[Any, ...]]:
    vocabulary = spark.createDataFrame(VOCABULARY, "id bigint, index int, first_seen_run string")
    table = spark.createDataFrame(metadata, "id string, title string, attributes map<string, string>")
    rows = describe_ids(vocabulary, pairs, table, "item", only_described=only_described).collect()
    columns = ("n_ratings", "in_source", "eligible", "title")
    assert len({row["item_id"] for row in rows}) == len(rows)
    assert {row["item_id"]: (row["item_index"], row["first_seen_run"]) for row in rows} == {
        id_: (index, run) for id_, index, run in VOCABULARY
    }
    return {row["item_id"]: tuple(row[name] for name in columns) for row in rows}


def test_every_id_ever_seen_is_described_by_this_runs_counts_and_metadata(
    spark: SparkSession, pairs: DataFrame
) -> None:
    metadata = [("8", "Eight", {"year": "1999"}), ("10", None, {}), ("11", "Eleven", {})]
    pairs = pairs.where("item_index <> 2")

    assert described(spark, metadata, pairs, only_described=False) == {
        7: (1, True, True, None),
        8: (1, True, True, "Eight"),
        9: (0, False, False, None),  # neither rated nor described this time
        10: (1, True, True, None),
    }


def test_where_a_filter_has_left_ids_out_only_the_described_ones_are_eligible(
    spark: SparkSession, pairs: DataFrame
) -> None:
    found = described(spark, [("8", "Eight", {})], pairs, only_described=True)

    assert {id_: eligible for id_, (_, _, eligible, _) in found.items()} == {7: False, 8: True, 9: False, 10: False}
    assert all(in_source for _, in_source, _, _ in found.values())


def test_metadata_under_an_id_that_is_no_plain_integer_describes_nobody(spark: SparkSession, pairs: DataFrame) -> None:
    metadata = [("8", "Eight", {}), ("008", "another", {}), (" 8", "a third", {}), ("07", "no seven", {})]

    titles = {id_: row[3] for id_, row in described(spark, metadata, pairs, only_described=False).items()}
    assert titles == {7: None, 8: "Eight", 9: None, 10: None}
