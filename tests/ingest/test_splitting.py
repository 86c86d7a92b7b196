"""A row's part depends on keys, times and the seed only; every strategy keeps what it promises of its parts."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.errors import DataError
from recsys_spark.ingest.settings import SplitSettings
from recsys_spark.ingest.splitting import Cuts, cuts, divided, random_split, uniform_hash

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

    assert set(expected.values()) == {"train", "validation", "test"}
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


DATED = "user_id int, item_id int, timestamp timestamp"


def dated(spark: SparkSession, rows: list[tuple[int, int, str | None]]) -> DataFrame:
    """Ratings of some days of May 2024; none: without a time."""
    texts = [(user, item, None if day is None else f"2024-05-{day} 12:00:00") for user, item, day in rows]
    table = spark.createDataFrame(texts, "user_id int, item_id int, text string")
    return table.select("user_id", "item_id", F.col("text").cast("timestamp").alias("timestamp"))


def parts_of(rows: DataFrame, **settings: object) -> dict[tuple[int, int], str]:
    found = divided(rows, SplitSettings(**settings))  # type: ignore[arg-type]
    assert found.columns == [*rows.columns, "part"]
    return {(row["user_id"], row["item_id"]): row["part"] for row in found.collect()}


class TestRandomPerUser:
    @pytest.fixture(scope="class")
    @classmethod
    def found(cls, spark: SparkSession) -> dict[tuple[int, int], str]:
        # user n has n ratings
        rows = spark.range(1, 31).selectExpr("id AS user_id", "explode(sequence(1, id)) AS item_id")
        return parts_of(rows, strategy="random_per_user", test_fraction=0.2, validation_fraction=0.1)

    def test_of_each_user_the_fractions_rounded_down_are_held_out(self, found: dict[tuple[int, int], str]) -> None:
        for n in range(1, 31):
            counts = Counter(part for (user, _), part in found.items() if user == n)
            held_out = (3 * n) // 10
            assert counts["test"] == n // 5
            assert counts["test"] + counts["validation"] == held_out
            assert counts["train"] == n - held_out > 0

    def test_which_ones_is_drawn_and_not_the_first_ones(self, found: dict[tuple[int, int], str]) -> None:
        places = [item / user for (user, item), part in found.items() if part == "test"]
        assert 0.35 < sum(places) / len(places) < 0.75

    def test_the_partitioning_changes_nothing_and_a_seed_does(
        self, spark: SparkSession, found: dict[tuple[int, int], str]
    ) -> None:
        rows = spark.range(1, 31).selectExpr("id AS user_id", "explode(sequence(1, id)) AS item_id")
        shuffled = rows.orderBy(F.rand(3)).repartition(5)
        assert parts_of(shuffled, strategy="random_per_user") == found
        assert parts_of(shuffled, strategy="random_per_user", seed=7) != found


class TestLeaveLast:
    ROWS = (
        *((1, 10, "01"), (1, 11, "03"), (1, 12, "02"), (1, 13, None)),
        *((2, 10, "05"), (2, 11, "04")),
        (3, 10, "09"),
        *((4, 10, None), (4, 11, None), (4, 12, None)),
    )

    def test_the_last_is_tested_the_one_before_validates_and_something_is_left(self, spark: SparkSession) -> None:
        found = parts_of(dated(spark, list(self.ROWS)), strategy="leave_last")
        held_out = {key: part for key, part in found.items() if part != "train"}
        assert held_out == {(1, 11): "test", (1, 12): "validation", (2, 10): "test"}

    def test_without_a_test_part_the_last_validates(self, spark: SparkSession) -> None:
        found = parts_of(dated(spark, list(self.ROWS)), strategy="leave_last", test_fraction=0)
        assert {key: part for key, part in found.items() if part != "train"} == {
            (1, 11): "validation",
            (2, 10): "validation",
        }

    def test_of_equal_times_one_is_drawn_whatever_the_order_of_the_rows(self, spark: SparkSession) -> None:
        rows = [(user, item, "01") for user in range(40) for item in range(5)]
        found = parts_of(dated(spark, rows), strategy="leave_last")
        assert parts_of(dated(spark, rows[::-1]), strategy="leave_last") == found
        tested = Counter(item for (_, item), part in found.items() if part == "test")
        assert len(tested) == 5


class TestTemporal:
    def test_the_parts_follow_each_other_and_ratings_without_a_time_are_trained_on(self, spark: SparkSession) -> None:
        rows = [(user, day, f"{day:02}") for user in range(3) for day in range(1, 11)] + [(9, 99, None)]
        found = parts_of(dated(spark, rows), strategy="temporal", test_fraction=0.2, validation_fraction=0.1)
        of_day = {day: part for (_, day), part in found.items()}
        assert [of_day[day] for day in range(1, 11)] == ["train"] * 7 + ["validation"] + ["test"] * 2
        assert found[9, 99] == "train"

    def test_a_gap_before_each_later_part_belongs_to_none(self, spark: SparkSession) -> None:
        rows = [(1, day, f"{day:02}") for day in range(1, 21)]
        found = parts_of(dated(spark, rows), strategy="temporal", test_fraction=0.25, validation_fraction=0.25, gap=2)
        parts = [found[1, day] for day in range(1, 21)]
        assert parts == ["train"] * 8 + ["gap"] * 2 + ["validation"] * 3 + ["gap"] * 2 + ["test"] * 5

    @given(st.lists(st.integers(1, 50), min_size=4, max_size=40), st.floats(0.05, 0.4), st.floats(0, 0.4))
    def test_a_part_begins_with_the_day_that_comes_nearest_to_its_share(
        self, counts: list[int], test: float, validation: float
    ) -> None:
        days = [(date.fromordinal(738000 + n), count) for n, count in enumerate(counts)]
        settings = SplitSettings(strategy="temporal", test_fraction=test, validation_fraction=validation)
        found = cuts(days[::-1], settings)
        total = sum(counts)
        assert found.test is not None

        def held_out(start: date) -> int:
            return sum(count for day, count in days if day >= start)

        possible = days[2 if validation else 1 :]
        nearest = min(abs(held_out(day) - test * total) for day, _ in possible)
        assert abs(held_out(found.test) - test * total) <= nearest
        assert (found.validation is None) == (validation == 0)
        if found.validation is not None:
            assert days[0][0] < found.validation < found.test

    def test_too_few_days_are_refused(self) -> None:
        settings = SplitSettings(strategy="temporal")
        with pytest.raises(DataError, match=r"expected more days with ratings than parts, found 2 days \(7 ratings"):
            cuts([(date(2024, 5, 1), 3), (date(2024, 5, 2), 4)], settings)
        without = SplitSettings(strategy="temporal", validation_fraction=0)
        assert cuts([(date(2024, 5, 1), 3), (date(2024, 5, 2), 4)], without) == Cuts(None, date(2024, 5, 2))


class TestHeldOutUsers:
    @pytest.fixture(scope="class")
    @classmethod
    def found(cls, spark: SparkSession) -> dict[tuple[int, int], str]:
        rows = spark.range(400).selectExpr("id AS user_id", "explode(sequence(1, 1 + id % 20)) AS item_id")
        return parts_of(rows, strategy="held_out_users", test_fraction=0.2, validation_fraction=0.1)

    def test_a_user_is_held_out_or_is_not(self, found: dict[tuple[int, int], str]) -> None:
        of_user: dict[int, Counter[str]] = {}
        for (user, _), part in found.items():
            of_user.setdefault(user, Counter())[part.removesuffix("_history")] += 1
        assert all(len(parts) == 1 for parts in of_user.values())
        shares = Counter(next(iter(parts)) for parts in of_user.values())
        assert abs(shares["test"] / 400 - 0.2) < 0.08
        assert abs(shares["validation"] / 400 - 0.1) < 0.06

    def test_of_who_is_held_out_the_history_is_its_share_rounded_up(self, found: dict[tuple[int, int], str]) -> None:
        for user in range(400):
            parts = Counter(part for (other, _), part in found.items() if other == user)
            n = 1 + user % 20
            histories = parts["test_history"] + parts["validation_history"]
            assert histories == (0 if parts["train"] else -(-8 * n // 10))

    def test_the_partitioning_changes_nothing_and_new_ratings_hold_nobody_else_out(
        self, spark: SparkSession, found: dict[tuple[int, int], str]
    ) -> None:
        rows = spark.range(400).selectExpr("id AS user_id", "explode(sequence(1, 1 + id % 20)) AS item_id")
        settings = {"strategy": "held_out_users", "test_fraction": 0.2, "validation_fraction": 0.1}
        assert parts_of(rows.orderBy(F.rand(3)).repartition(5), **settings) == found
        more = parts_of(rows.unionByName(rows.withColumn("item_id", F.col("item_id") + 100)), **settings)
        for pair, part in found.items():
            assert more[pair].removesuffix("_history") == part.removesuffix("_history")
