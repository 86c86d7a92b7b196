"""Histograms that Spark counts; the driver gets a few dozen numbers of each, however many rows there are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.evaluation.segments import rating_bins

SCORE_BINS = 40


class Histogram(NamedTuple):
    """Counts of neighbouring bins."""

    labels: tuple[str, ...]
    counts: tuple[int, ...]


class Scores(NamedTuple):
    """How scores are distributed, over bins of equal width."""

    edges: tuple[float, ...]
    """One more than there are bins."""

    first: tuple[int, ...]
    """Scores of first places."""

    all: tuple[int, ...]
    """Scores of all places."""


def of_ratings(ratings: DataFrame) -> Histogram:
    """How often each rating was given; ranges, where there are many different ones.

    Args:
        ratings: `rating` float, at least one row.
    """
    bins = rating_bins(ratings)
    found = ratings.groupBy(bins.position(F.col("rating")).alias("bin")).count().collect()
    counts = {row["bin"]: row["count"] for row in found}
    labels = tuple(name.removeprefix("rating=").replace("..", " to ") for name in bins.names)
    return Histogram(labels, tuple(counts.get(n, 0) for n in range(len(labels))))


def of_numbers(frame: DataFrame, column: str) -> Histogram:
    """How many rows have 0, 1, 2 to 3, 4 to 7, ... in a column of whole numbers: each bin twice as wide as the last.

    Args:
        frame: one row for each item or user.
        column: whole numbers from 0, none null.
    """
    power = F.when(F.col(column) > 0, F.length(F.bin(F.col(column)))).otherwise(0)
    counts = {row["power"]: row["count"] for row in frame.groupBy(power.alias("power")).count().collect()}
    powers = range(min(counts, default=0), max(counts, default=-1) + 1)
    return Histogram(tuple(map(_powers_label, powers)), tuple(counts.get(n, 0) for n in powers))


def of_lengths(outcomes: DataFrame) -> Histogram:
    """How many users have a list of each length; the driver gets a row for each length that there is."""
    found = outcomes.groupBy("n_items").count().orderBy("n_items").collect()
    return Histogram(tuple(str(row["n_items"]) for row in found), tuple(row["count"] for row in found))


def of_scores(top_n: DataFrame, bounds: tuple[float, float] | None = None) -> Scores | None:
    """How the model's scores of published entries are distributed; none if there are none.

    Args:
        top_n: `score`, `rank`, `reason`.
        bounds: the lowest and highest edge, to count two runs alike; scores beyond fall into the outer bins. None:
            from the lowest to the highest score.
    """
    of_model = top_n.where(F.col("reason") != "cold_fallback")
    low, high = bounds or _bounds(of_model)
    if low is None or high is None:
        return None
    width = (high - low) or 1.0
    place = F.floor((F.col("score") - low) / (width / SCORE_BINS))
    place = F.greatest(F.lit(0), F.least(F.lit(SCORE_BINS - 1), place)).cast("int")
    counted = of_model.groupBy(place.alias("bin"), (F.col("rank") == 1).alias("first")).count().collect()
    counts = np.zeros((2, SCORE_BINS), np.int64)
    for row in counted:
        counts[int(row["first"]), row["bin"]] = row["count"]
    edges = tuple(np.linspace(low, low + width, SCORE_BINS + 1).tolist())
    return Scores(edges, tuple(counts[1].tolist()), tuple(counts.sum(axis=0).tolist()))


def _bounds(scores: DataFrame) -> tuple[float | None, float | None]:
    low, high = scores.agg(F.min("score"), F.max("score")).collect()[0]
    return low, high


def _powers_label(power: int) -> str:
    if power <= 1:
        return str(power)
    return f"{_short(1 << (power - 1))}-{_short((1 << power) - 1)}"


def _short(number: int) -> str:
    return str(number) if number < 10_000 else f"{number // 1000}k"
