"""A condition over the items' table: what it may name, and what is said where it is wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from recsys_spark.errors import ConfigError, DataError
from recsys_spark.kernels.arrays import I32
from recsys_spark.scoring.allowed import ITEMS_ALLOWED, among_allowed, items_where

ROWS = [
    ("c", 2, "run-2", 0, None, None),
    ("a", 0, "run-1", 7, "Emma", {"year": "1815", "kind": "Novel"}),
    ("b", 1, "run-1", 3, "Faust", {"year": "unknown", "kind": "Play"}),
    ("d", 3, "run-2", 5, "Zadig", {"year": "1747", "kind": "Novel"}),
]
ATTRIBUTES = ("year", "kind")


def allowed_items(items: DataFrame, attributes: Sequence[str], condition: str) -> I32:
    return items_where(items, attributes, {ITEMS_ALLOWED: condition})[ITEMS_ALLOWED]


@pytest.fixture(scope="module")
def items(spark: SparkSession) -> DataFrame:
    schema = (
        "item_id string, item_index int, first_seen_run string, n_ratings bigint, title string, "
        "attributes map<string,string>"
    )
    rows = spark.createDataFrame(ROWS, schema).repartition(3)
    return rows.selectExpr("*", "true AS in_source", "true AS eligible")


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("kind = 'Novel'", [0, 3]),
        ("kind <> 'Novel'", [1]),
        ("kind IS NULL OR kind = 'Play'", [1, 2]),
        ("n_ratings >= 5", [0, 3]),
        ("title LIKE '%a%' AND item_id <> 'b'", [0, 3]),
        ("first_seen_run = 'run-2'", [2, 3]),
        ("try_cast(year AS int) > 1800", [0]),
        ("true", [0, 1, 2, 3]),
    ],
)
def test_items_for_which_it_holds_are_allowed_and_those_for_which_it_is_null_are_not(
    items: DataFrame, condition: str, expected: list[int]
) -> None:
    found = allowed_items(items, ATTRIBUTES, condition)

    assert found.dtype == "int32"
    assert list(found) == expected


@pytest.mark.parametrize(
    "condition", ["colour = 'red'", "eligible", "item_index = 1", "kind = ", "year", "max(n_ratings) > 3", ""]
)
def test_what_is_no_condition_over_the_columns_is_told_with_the_columns_that_there_are(
    items: DataFrame, condition: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        allowed_items(items, ATTRIBUTES, condition)

    assert raised.value.subject == "scoring.items_allowed"
    assert f"'{condition}'" in raised.value.found
    assert raised.value.hint == "the columns are: item_id, title, n_ratings, first_seen_run, year, kind"


def test_an_attribute_under_the_name_of_another_column_may_not_be_meant_by_chance(items: DataFrame) -> None:
    with pytest.raises(ConfigError, match="AMBIGUOUS"):
        allowed_items(items, ("n_ratings",), "n_ratings > 3")


def test_text_that_is_no_number_is_told_with_the_way_round_it(items: DataFrame) -> None:
    with pytest.raises(DataError, match="every item can answer") as raised:
        allowed_items(items, ATTRIBUTES, "year > 1800")

    assert "'unknown'" in raised.value.found
    assert "try_cast(column AS int)" in raised.value.hint


def test_a_condition_that_allows_nothing_is_refused(items: DataFrame) -> None:
    with pytest.raises(DataError, match="holds for an item"):
        allowed_items(items, ATTRIBUTES, "n_ratings < 0")


def test_candidates_are_those_that_are_allowed_and_never_none() -> None:
    candidates = np.array([1, 4, 6, 9], np.int32)

    left = among_allowed(candidates, np.array([0, 4, 5, 9, 10], np.int32))

    assert (left.dtype, list(left)) == (np.int32, [4, 9])
    with pytest.raises(DataError, match="at least one candidate"):
        among_allowed(candidates, np.array([0, 5], np.int32))


def test_of_many_conditions_the_wrong_one_is_named(items: DataFrame) -> None:
    conditions = {f"scoring.variants.{n}": f"n_ratings > {n - 100}" for n in range(70)}

    found = items_where(items, ATTRIBUTES, conditions)
    assert [list(indices) for indices in found.values()] == [[0, 1, 2, 3]] * 70
    with pytest.raises(ConfigError) as raised:
        items_where(items, ATTRIBUTES, conditions | {"scoring.variants.67": "colour = 'red'"})
    assert raised.value.subject == "scoring.variants.67"
