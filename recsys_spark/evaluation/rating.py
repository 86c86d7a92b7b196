"""Rating error: MSE, RMSE and MAE of scorers, side by side on the same rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.scoring.pairs import score_pairs

MAIN = "main"
"""The scorer that ranks the lists and is published."""

VALIDATED = "validated"
"""The scorer of the fit on the train part alone, whose figures on the validation part are honest."""


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


def honest(metrics: Iterable[Metric]) -> list[Metric]:
    """On the validation part, the figures of the fit that has not seen it, under the model's name.

    The fit whose test figures count was trained on the validation part too; what it achieves there says nothing. Where
    no fit left the validation part out, there is no validation part.
    """
    of_validated = [m._replace(scorer=MAIN) for m in metrics if m.scorer == VALIDATED and m.split == "validation"]
    others = [m for m in metrics if m.scorer != VALIDATED and not (m.scorer == MAIN and m.split == "validation")]
    return [*others, *of_validated]


def epoch_losses(history: Iterable[Mapping[str, Any]]) -> list[Metric]:
    """The losses of each epoch of the fit that chose the number of epochs, in units of the target."""
    losses = []
    for result in history:
        if result["fit"] == VALIDATED:
            losses.append(Metric(MAIN, "train", "loss", result["loss"], result["epoch"]))
            losses.append(Metric(MAIN, "validation", "loss", result["val_loss"], result["epoch"]))
    return losses
