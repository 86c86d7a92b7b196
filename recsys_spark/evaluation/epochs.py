"""The course of a fit, epoch by epoch, as metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recsys_spark.evaluation.rating import MAIN, VALIDATED, Metric

_FIGURES = (
    ("loss", "train", "loss"),
    ("learning_rate", "train", "learning_rate"),
    ("val_loss", "validation", "loss"),
    ("val_mse", "validation", "mse"),
    ("val_mae", "validation", "mae"),
    ("val_ndcg", "validation", "ndcg@10"),
)
"""Name in an epoch's result, part, metric."""


def epoch_metrics(history: Sequence[Mapping[str, Any]]) -> list[Metric]:
    """What each epoch of one fit achieved: of the fit that chose the number of epochs, else of the evaluated one.

    Args:
        history: the results of all epochs of all fits; a figure that is missing or none gives no metric.

    Returns:
        Under the model's name `loss` on train and validation, in units of the target, `mse` and `mae` on validation, in
        rating units, or `ndcg@10` on validation of a ranking model, and `learning_rate`.
    """
    fits = {result["fit"] for result in history}
    told = VALIDATED if VALIDATED in fits else "evaluated"
    return [
        Metric(MAIN, part, metric, float(result[name]), epoch=result["epoch"])
        for result in history
        if result["fit"] == told
        for name, part, metric in _FIGURES
        if result.get(name) is not None
    ]
