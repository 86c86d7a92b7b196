"""Rating error: MSE, RMSE and MAE of scorers, side by side on the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.scoring.pairs import score_pairs


class Metric(NamedTuple):
    """One figure."""

    scorer: str
    split: str
    metric: str
    value: float
    epoch: int | None = None


def rating_errors(ratings: DataFrame, scorers: Mapping[str, PairScorer]) -> list[Metric]:
    """The errors of each scorer on each part, in rating units, aggregated by Spark.

    Args:
        ratings: `user_index`, `item_index`, `rating`, `part`.
        scorers: by name. All predict the same rows in one pass.

    Returns:
        For each scorer and part `n`, `mse`, `rmse` and `mae`. The driver collects one row for each part.
    """
    scored = score_pairs(ratings.select("user_index", "item_index", "rating", "part"), scorers)
    sums = []
    for name in scorers:
        error = F.col(name).cast("double") - F.col("rating").cast("double")
        sums += [F.avg(error * error).alias(f"mse_{name}"), F.avg(F.abs(error)).alias(f"mae_{name}")]
    rows = scored.groupBy("part").agg(F.count("*").alias("n"), *sums).orderBy("part").collect()
    return [
        Metric(name, row["part"], metric, float(value))
        for row in rows
        for name in scorers
        for metric, value in (
            ("n", row["n"]),
            ("mse", row[f"mse_{name}"]),
            ("rmse", row[f"mse_{name}"] ** 0.5),
            ("mae", row[f"mae_{name}"]),
        )
    ]
