"""A row's part depends on its key and the seed only."""

from __future__ import annotations

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.ingest.settings import SplitSettings
from recsys_spark.ingest.splitting import PARTS, random_split, uniform_hash

N_ROWS = 20_000
SETTINGS = SplitSettings(test_fraction=0.2, validation_fraction=0.1, seed=42)

DRAW_OF_7_AND_X = 0.3712011246387219
"""Stored splits depend on it: if it changes, every evaluation changes."""


@pytest.fixture(scope="module")
def ratings(spark: SparkSession) -> DataFrame:
    return spark.range(N_ROWS).selectExpr("id DIV 100 AS user_id", "id % 100 AS item_id")


def parts(rows: DataFrame, settings: SplitSettings = SETTINGS) -> dict[tuple[int, int], str]:
    return {(int(row[0]), int(row[1])): row[2] for row in random_split(rows, settings).collect()}


@pytest.fixture(scope="module")
def expected(ratings: DataFrame) -> dict[tuple[int, int], str]:
    found = parts(ratings)
    assert len(found) == N_ROWS
    return found


@pytest.mark.parametrize(("part", "share"), [("test", 0.2), ("validation", 0.1), ("train", 0.7)])
def test_each_part_has_its_share_within_sampling_error(
    expected: dict[tuple[int, int], str], part: str, share: float
) -> None:
    n = sum(found == part for found in expected.values())

    assert set(expected.values()) == set(PARTS)
    assert abs(n - share * N_ROWS) < 4 * (N_ROWS * share * (1 - share)) ** 0.5


@pytest.mark.parametrize("partitions", [1, 3, 7])
def test_the_order_and_the_partitioning_of_the_rows_change_nothing(
    ratings: DataFrame, expected: dict[tuple[int, int], str], partitions: int
) -> None:
    assert parts(ratings.orderBy(F.rand(partitions)).repartition(partitions)) == expected


def test_other_columns_and_other_rows_change_nothing(ratings: DataFrame, expected: dict[tuple[int, int], str]) -> None:
    some = ratings.where("item_id % 5 = 0").withColumn("rating", F.rand(1))

    found = {(row["user_id"], row["item_id"]): row["part"] for row in random_split(some, SETTINGS).collect()}
    assert found == {pair: part for pair, part in expected.items() if pair[1] % 5 == 0}


def test_an_id_as_text_and_as_a_number_falls_into_the_same_part(
    ratings: DataFrame, expected: dict[tuple[int, int], str]
) -> None:
    assert parts(ratings.select(F.col("user_id").cast("string"), F.col("item_id").cast("string"))) == expected


def test_another_seed_is_another_split_and_user_and_item_are_not_interchangeable(
    ratings: DataFrame, expected: dict[tuple[int, int], str]
) -> None:
    other = parts(ratings, SETTINGS.model_copy(update={"seed": 43}))
    same_by_chance = 0.2**2 + 0.1**2 + 0.7**2
    assert abs(sum(other[pair] == expected[pair] for pair in other) / N_ROWS - same_by_chance) < 0.02

    mirrored = {pair: expected[pair[::-1]] for pair in expected if pair[::-1] in expected and pair[0] != pair[1]}
    assert sum(expected[pair] == part for pair, part in mirrored.items()) < 0.6 * len(mirrored)


def test_a_smaller_test_part_is_a_subset_of_a_larger_one(
    ratings: DataFrame, expected: dict[tuple[int, int], str]
) -> None:
    smaller = parts(ratings, SETTINGS.model_copy(update={"test_fraction": 0.05}))

    assert {pair for pair, part in smaller.items() if part == "test"} < {
        pair for pair, part in expected.items() if part == "test"
    }


def test_without_fractions_everything_is_trained_on(ratings: DataFrame) -> None:
    nothing_held_out = SplitSettings(test_fraction=0, validation_fraction=0)

    assert set(parts(ratings, nothing_held_out).values()) == {"train"}


def test_the_draw_is_the_same_for_ever(spark: SparkSession) -> None:
    row = spark.sql("SELECT '7' AS user_id, 'x' AS item_id").select(uniform_hash("user_id", "item_id", seed=42)).head()

    assert row is not None
    assert row[0] == pytest.approx(DRAW_OF_7_AND_X, abs=1e-15)
