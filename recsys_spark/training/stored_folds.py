"""How a stored model folds users in, by what its manifest says of its fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.manifest import Description
from recsys_spark.models.folds import Fold, fold_of
from recsys_spark.training.recency import Recency


class StoredFold(NamedTuple):
    """Gives users their vectors as the fit has done."""

    fold: Fold

    recency: Recency | None
    """What ratings count by their age; none: all the same."""


def stored_fold(described: Description, scorers: Mapping[str, PairScorer]) -> StoredFold | None:
    """How a model folds users in; none: it cannot.

    Args:
        described: of its manifest.
        scorers: its published ones.
    """
    if "user" in described.features:
        return None
    training = described.settings["training"]
    recency = Recency.of_dict(described.target, training.get("half_life_days"))
    fold = fold_of(
        described.settings["model"],
        scorers,
        liked_at=described.target.get("liked_at"),
        weighted=bool(training.get("event_weights")),
        mean_weight=1.0 if recency is None else recency.mean,
    )
    return None if fold is None else StoredFold(fold, recency)
