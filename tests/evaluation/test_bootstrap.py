"""Intervals hold the truth about as often as they say, and users are drawn, not ratings."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recsys_spark.evaluation.bootstrap import GROUPS, interval, resampled, user_group


def mean_interval(groups: np.ndarray, seed: int) -> tuple[float, float]:
    """Of the mean: groups f64[g, 2] hold number and sum."""
    draws = resampled(groups, resamples=200, seed=seed)
    n, total = groups.sum(axis=0)
    return interval(draws[:, 1] / draws[:, 0], float(total / n))


def test_about_95_of_100_intervals_hold_the_truth() -> None:
    """Users differ in mood and in how much they rate: intervals that took ratings as independent would miss it."""
    random = np.random.default_rng(1)
    held = held_by_rows = 0
    for repetition in range(200):
        n = random.integers(1, 30, 300)
        total = n * random.normal(0, 1, 300) + random.normal(0, 1, 300) * np.sqrt(n)  # moods and noise around 0
        low, high = mean_interval(np.stack([n, total], axis=1).astype(float), seed=repetition)
        held += low <= 0 <= high
        by_rows = 1.96 * np.sqrt(2 / n.sum())  # each rating varies by mood and noise
        held_by_rows += abs(total.sum() / n.sum()) <= by_rows

    assert 0.90 <= held / 200 <= 0.98
    assert held_by_rows / 200 < 0.7


def test_the_width_is_that_of_the_normal_theory() -> None:
    random = np.random.default_rng(2)
    values = random.normal(0, 1, 1000)

    low, high = mean_interval(np.stack([np.ones(1000), values], axis=1), seed=3)

    assert abs((high - low) / (2 * 1.96 * values.std() / np.sqrt(1000)) - 1) < 0.15


def test_the_same_seed_draws_the_same() -> None:
    groups = np.random.default_rng(4).random((50, 3))

    first = resampled(groups, resamples=20, seed=7)

    np.testing.assert_array_equal(resampled(groups, resamples=20, seed=7), first)
    assert not np.array_equal(resampled(groups, resamples=20, seed=8), first)


def test_each_resample_draws_as_many_groups_as_there_are() -> None:
    counted = resampled(np.ones((37, 1)), resamples=25, seed=1)

    assert counted.tolist() == [[37.0]] * 25


@given(hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1e6)), st.floats(0, 1e6))
def test_an_interval_holds_its_figure_and_lies_within_the_resamples(figures: np.ndarray, value: float) -> None:
    low, high = interval(figures, value)

    assert low <= value <= high
    assert min(figures.min(), value) <= low
    assert high <= max(figures.max(), value)


def test_a_user_has_one_group_whatever_the_partitions_and_groups_are_even(spark: SparkSession) -> None:
    users = spark.range(20_000).select(F.col("id").cast("int").alias("user"))
    groups = {p: dict(users.repartition(p).select("user", user_group(F.col("user"), seed=1)).collect()) for p in (1, 5)}

    sizes = np.bincount(list(groups[1].values()), minlength=GROUPS)
    assert groups[1] == groups[5]
    assert len(sizes) == GROUPS
    assert 0.8 < sizes.std() / np.sqrt(20) < 1.2  # Poisson
    others = dict(users.select("user", user_group(F.col("user"), seed=2)).collect())
    assert others != groups[1]
