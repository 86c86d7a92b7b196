"""Predicted against true ratings, beside the same sums by numpy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.report.density import densities

N_USERS, N_ITEMS = 30, 20


@pytest.fixture(scope="module")
def scorer() -> PairScorer:
    random = np.random.default_rng(5)
    return PairScorer(
        user=random.normal(size=(N_USERS, 4)).astype(np.float32),
        item=random.normal(size=(N_ITEMS, 4)).astype(np.float32),
        offset=3.0,
    )


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    random = np.random.default_rng(6)
    every = np.stack(np.meshgrid(np.arange(N_USERS), np.arange(N_ITEMS)), axis=-1).reshape(-1, 2)
    return pd.DataFrame(
        {
            "user_index": every[:, 0].astype("int32"),
            "item_index": every[:, 1].astype("int32"),
            "rating": random.integers(1, 6, len(every)).astype("float32"),
            "part": random.choice(["train", "test", "gap"], len(every)),
        }
    )


def test_counts_means_and_errors_are_those_of_numpy(
    spark: SparkSession, scorer: PairScorer, rows: pd.DataFrame
) -> None:
    found = densities(spark.createDataFrame(rows), scorer, most=10_000, n_ratings=len(rows), seed=1)

    assert [density.part for density in found] == ["train", "test"]
    for density in found:
        mine = rows[rows.part == density.part]
        predicted = scorer.score(mine.user_index.to_numpy(), mine.item_index.to_numpy()).astype(np.float64)
        assert density.ratings == density.counts.sum() == len(mine)
        assert density.levels == ("1", "2", "3", "4", "5")
        inner = np.clip(predicted, density.edges[0], np.nextafter(density.edges[-1], 0))
        for level in range(5):
            at = (mine.rating == level + 1).to_numpy()
            assert density.counts[level].tolist() == np.histogram(inner[at], density.edges)[0].tolist()
            assert density.mean_predicted[level] == pytest.approx(predicted[at].mean())
            assert density.mse[level] == pytest.approx(((predicted[at] - level - 1) ** 2).mean())


def test_of_more_ratings_about_as_many_as_allowed_are_drawn_the_same_ones_in_any_partitioning(
    spark: SparkSession, scorer: PairScorer, rows: pd.DataFrame
) -> None:
    many = spark.createDataFrame(rows)
    found = densities(many, scorer, most=len(rows) // 2, n_ratings=len(rows), seed=1)
    again = densities(many.repartition(7), scorer, most=len(rows) // 2, n_ratings=len(rows), seed=1)

    both = rows.part.isin(["train", "test"]).sum()
    assert 0.35 * both < sum(density.ratings for density in found) < 0.65 * both
    assert [density.counts.tolist() for density in found] == [density.counts.tolist() for density in again]


def test_ratings_of_users_whom_the_model_has_no_row_for_are_left_out(spark: SparkSession, scorer: PairScorer) -> None:
    rows = [(0, 0, 4.0, "test"), (N_USERS, 0, 2.0, "test"), (0, N_ITEMS, 1.0, "test")]
    ratings = spark.createDataFrame(rows, "user_index int, item_index int, rating float, part string")
    (found,) = densities(ratings, scorer, most=10_000, n_ratings=3, seed=1)

    assert found.ratings == 1
    assert np.isnan(found.mse[0])
