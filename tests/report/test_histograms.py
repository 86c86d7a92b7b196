"""Histograms: every row in exactly one bin."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession

from recsys_spark.report.histograms import SCORE_BINS, of_lengths, of_numbers, of_ratings, of_scores


def test_each_rating_that_there_is_has_its_bar(spark: SparkSession) -> None:
    ratings = spark.createDataFrame([(1.0,), (1.0,), (4.5,), (3.0,)], "rating float")

    assert of_ratings(ratings) == (("1", "3", "4.5"), (2, 1, 1))


def test_many_different_ratings_fall_into_ranges_and_none_is_lost(spark: SparkSession) -> None:
    values = np.linspace(0, 10, 101)
    found = of_ratings(spark.createDataFrame(pd.DataFrame({"rating": values.astype("float32")})))

    assert len(found.labels) == 10
    assert found.labels[0] == "0 to 1"
    assert sum(found.counts) == 101


def test_numbers_fall_into_bins_that_double(spark: SparkSession) -> None:
    numbers = [0, 0, 1, 2, 3, 4, 7, 8, 15, 16]
    found = of_numbers(spark.createDataFrame([(n,) for n in numbers], "n_ratings long"), "n_ratings")

    assert dict(zip(found.labels, found.counts, strict=True)) == {
        "0": 2,
        "1": 1,
        "2-3": 2,
        "4-7": 2,
        "8-15": 2,
        "16-31": 1,
    }


def test_a_bin_between_two_others_is_shown_even_if_it_is_empty(spark: SparkSession) -> None:
    found = of_numbers(spark.createDataFrame([(1,), (9,)], "n_ratings long"), "n_ratings")

    assert found == (("1", "2-3", "4-7", "8-15"), (1, 0, 0, 1))


def test_lengths_are_counted_one_by_one(spark: SparkSession) -> None:
    assert of_lengths(spark.createDataFrame([(10,), (0,), (10,)], "n_items int")) == (("0", "10"), (1, 2))


def test_scores_of_the_fallback_are_not_mixed_with_those_of_the_model(spark: SparkSession) -> None:
    rows = [(1.0, 1, "model"), (3.0, 2, "model"), (2.0, 1, "folded_in"), (900.0, 1, "cold_fallback")]
    found = of_scores(spark.createDataFrame(rows, "score float, rank int, reason string"))

    assert found is not None
    assert (found.edges[0], found.edges[-1]) == (1.0, 3.0)
    assert len(found.edges) == SCORE_BINS + 1
    assert (sum(found.first), sum(found.all)) == (2, 3)
    assert found.all[-1] == 1, "the highest score lies in the last bin"


def test_scores_beyond_the_bounds_of_another_run_fall_into_the_outer_bins(spark: SparkSession) -> None:
    rows = [(-5.0, 1, "model"), (0.5, 2, "model"), (9.0, 3, "model")]
    found = of_scores(spark.createDataFrame(rows, "score float, rank int, reason string"), (0.0, 1.0))

    assert found is not None
    assert (found.all[0], sum(found.all), found.all[-1]) == (1, 3, 1)


def test_one_score_for_all_is_a_histogram_too_and_none_is_none(spark: SparkSession) -> None:
    same = of_scores(spark.createDataFrame([(2.0, 1, "model")] * 3, "score float, rank int, reason string"))

    assert same is not None
    assert sum(same.all) == 3
    assert of_scores(spark.createDataFrame([(2.0, 1, "cold_fallback")], "score float, rank int, reason string")) is None
