"""Every value lies in one bin, and the bin's name says so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recsys_spark.evaluation.segments import MOST_LEVELS, RANGES, Bins, count_bins, nearest_level, rating_bins

FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
float32 = st.floats(-1e6, 1e6, width=32)


def bins_of(spark: SparkSession, ratings: list[float]) -> Bins:
    return rating_bins(spark.createDataFrame(pd.DataFrame({"rating": np.array(ratings, np.float32)}), "rating float"))


def positions(spark: SparkSession, bins: Bins, values: list[float]) -> list[int]:
    rows = spark.createDataFrame([(float(v),) for v in values], "value double").coalesce(1)
    return [row[0] for row in rows.select(bins.position(F.col("value"))).collect()]


def test_each_rating_is_a_segment_where_there_are_few(spark: SparkSession) -> None:
    assert bins_of(spark, [4, 0.5, 4, 3, 4.3]).names == ("rating=0.5", "rating=3", "rating=4", "rating=4.3")


def test_one_rating_is_one_segment(spark: SparkSession) -> None:
    assert bins_of(spark, [3, 3]) == Bins((), ("rating=3",))


def test_equal_ranges_are_segments_where_ratings_are_many(spark: SparkSession) -> None:
    bins = bins_of(spark, [i / 8 for i in range(41)])

    assert bins.names[:2] == ("rating=0..0.5", "rating=0.5..1")
    assert bins.names[-1] == "rating=4.5..5"
    assert positions(spark, bins, [0, 0.49, 0.5, 4.5, 5]) == [0, 0, 1, 9, 9]


def test_numbers_of_ratings_are_told_apart_by_their_size(spark: SparkSession) -> None:
    bins = count_bins("user_ratings")

    found = [bins.names[p] for p in positions(spark, bins, [0, 1, 4, 5, 19, 20, 199, 200, 1e6])]

    labels = ["0", "1-4", "1-4", "5-9", "10-19", "20-49", "100-199", "200+", "200+"]
    assert found == [f"user_ratings={label}" for label in labels]


@FEW
@given(st.lists(float32, min_size=1, max_size=60))
def test_any_ratings_lie_in_the_bin_whose_name_holds_them(spark: SparkSession, ratings: list[float]) -> None:
    distinct = set(ratings)
    bins = bins_of(spark, ratings)

    assert len(bins.names) == (RANGES if len(distinct) > MOST_LEVELS else len(distinct))
    assert len(set(bins.names)) == len(bins.names) == len(bins.starts) + 1
    for rating, position in zip(ratings, positions(spark, bins, ratings), strict=True):
        low, _, high = bins.names[position].removeprefix("rating=").partition("..")
        assert np.float32(low) <= rating <= np.float32(high or low)


@FEW
@given(st.lists(st.integers(-20, 20), min_size=1, max_size=8, unique=True), st.lists(float32, min_size=1, max_size=20))
def test_no_level_is_nearer_than_the_nearest(spark: SparkSession, levels: list[int], values: list[float]) -> None:
    rows = spark.createDataFrame([(float(v),) for v in values], "value double").coalesce(1)
    found = [row[0] for row in rows.select(nearest_level(F.col("value"), levels)).collect()]

    for value, position in zip(values, found, strict=True):
        distance = [abs(value - level) for level in sorted(levels)]
        assert distance[position] == pytest.approx(min(distance), rel=1e-9)


def test_halfway_between_two_levels_the_upper_one_is_nearest(spark: SparkSession) -> None:
    rows = spark.createDataFrame([(1.5,), (1.4,)], "value double").coalesce(1)

    assert [r[0] for r in rows.select(nearest_level(F.col("value"), [2, 1])).collect()] == [1, 0]
