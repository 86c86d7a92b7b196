"""Predicted against true ratings: counts on a grid, which Spark adds up."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.evaluation.segments import rating_bins
from recsys_spark.kernels.arrays import F64, I64
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.scoring.pairs import score_pairs

PREDICTED_BINS = 36
PARTS = ("train", "test")
_DRAWS = 1 << 30


class Density(NamedTuple):
    """One part's ratings, told apart by level and by prediction."""

    part: str
    ratings: int
    """How many were compared."""

    levels: tuple[str, ...]
    """Of the true rating; ranges, where there are many."""

    edges: tuple[float, ...]
    """Of the predicted rating; the outer bins hold what lies beyond."""

    counts: I64
    """i64[levels, predicted bins]"""

    mean_predicted: F64
    """f64[levels], in rating units; NaN where a level has no rating."""

    mse: F64
    """f64[levels], squared rating units."""


def densities(ratings: DataFrame, scorer: PairScorer, *, most: int, n_ratings: int, seed: int) -> list[Density]:
    """How predictions lie about the true ratings, on each of the parts train and test.

    The driver gets a row for each cell of the grid that holds a rating: some thousands.

    Args:
        ratings: `user_index`, `item_index`, `rating`, `part`, at least one row.
        scorer: predicts ratings; of users and items that it has no row for there is no prediction.
        most: about how many ratings are compared, of all parts together.
        n_ratings: how many there are.
        seed: of the draw, which is the same for any partitioning.
    """
    known = (F.col("user_index") < scorer.user.shape[0]) & (F.col("item_index") < scorer.item.shape[0])
    asked = ratings.where(F.col("part").isin(*PARTS) & known)
    if n_ratings > most:
        draw = F.pmod(F.xxhash64("user_index", "item_index", F.lit(seed)), F.lit(_DRAWS))
        asked = asked.where(draw < int(most / n_ratings * _DRAWS))
    bins = rating_bins(ratings)
    low, high = ratings.agg(F.min("rating"), F.max("rating")).collect()[0]
    margin = (high - low) * 0.1 or 0.5
    edges = np.linspace(low - margin, high + margin, PREDICTED_BINS + 1)
    predicted = score_pairs(asked.select("user_index", "item_index", "rating", "part"), {"predicted": scorer})
    place = F.floor((F.col("predicted") - F.lit(edges[0])) / F.lit(edges[1] - edges[0]))
    error = F.col("predicted").cast("double") - F.col("rating")
    cells = (
        predicted.groupBy(
            "part",
            bins.position(F.col("rating")).alias("level"),
            F.greatest(F.lit(0), F.least(F.lit(PREDICTED_BINS - 1), place)).cast("int").alias("place"),
        )
        .agg(
            F.count("*").alias("n"),
            F.sum(F.col("predicted").cast("double")).alias("predicted"),
            F.sum(error * error).alias("squares"),
        )
        .collect()
    )
    labels = tuple(name.removeprefix("rating=").replace("..", " to ") for name in bins.names)
    found = []
    for part in PARTS:
        counts = np.zeros((len(labels), PREDICTED_BINS), np.int64)
        sums = np.zeros((len(labels), 2))
        for cell in (cell for cell in cells if cell["part"] == part):
            counts[cell["level"], cell["place"]] += cell["n"]
            sums[cell["level"]] += cell["predicted"], cell["squares"]
        of_level = counts.sum(axis=1)
        means = np.divide(sums, of_level[:, None], out=np.full_like(sums, np.nan), where=of_level[:, None] > 0)
        if counts.any():
            edges_told = tuple(np.round(edges, 6).tolist())
            found.append(Density(part, int(counts.sum()), labels, edges_told, counts, means[:, 0], means[:, 1]))
    return found
