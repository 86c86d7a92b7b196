"""Users who are held out of a fit get their vectors from their histories, as it folds users in (`models/folds`)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from recsys_spark.kernels.arrays import I32
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.folds import HISTORY_SCORER, Fold, Histories, fold_of, history_scorer, with_sides
from recsys_spark.models.model import Model
from recsys_spark.models.softmax import HISTORY
from recsys_spark.models.warm import Weights
from recsys_spark.training.recency import Recency
from recsys_spark.training.rows import TrainingRows
from recsys_spark.training.settings import TrainingSettings


def fold_of_fit(
    model: Model,
    scorers: Mapping[str, PairScorer],
    memory: Weights,
    training: TrainingSettings,
    *,
    liked_at: float | None,
    recency: Recency | None = None,
) -> Fold | None:
    """How a fit folds users in; none: its model cannot.

    Args:
        model: that was fitted.
        scorers: of the fit.
        memory: of the fit, see `Fitted.memory`.
        training: how it was fitted.
        liked_at: the lowest rating of a like; none: the fit is about ratings.
        recency: of the fit; none: ratings of any age count the same.
    """
    if f"{HISTORY}.0" in memory:
        scorers = {**scorers, HISTORY_SCORER: history_scorer(memory[f"{HISTORY}.0"], scorers["main"].n_users)}
    settings = model.settings.model_dump(mode="json")
    mean = 1.0 if recency is None else recency.mean
    return fold_of(settings, scorers, liked_at=liked_at, weighted=bool(training.event_weights), mean_weight=mean)


def with_histories(
    scorers: Mapping[str, PairScorer],
    fold: Fold,
    rows: TrainingRows,
    users: I32 | None = None,
    *,
    recency: Recency | None = None,
) -> dict[str, PairScorer]:
    """The scorers with vectors for users whom the fit has not seen.

    Args:
        scorers: of the fit.
        fold: how it gives users their vectors.
        rows: the histories, ascending by user.
        users: only these, ascending; none: all that have a history.
        recency: of the fit; none: ratings of any age count the same.
    """
    known = np.unique(rows.user)
    known = known if users is None else np.intersect1d(known, users)
    wanted = np.isin(rows.user, known)
    counts = np.bincount(np.searchsorted(known, rows.user[wanted]), minlength=len(known))
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    weights = None if recency is None or rows.day is None else recency.weights(rows.day[wanted])
    sides = fold.sides(Histories(offsets, rows.item[wanted], rows.rating[wanted], weights))
    return with_sides(scorers, known.astype(np.int32), sides)
