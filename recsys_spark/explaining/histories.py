"""What the items of a history have to do with a score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from recsys_spark.explaining.explanation import HistoryParts, Neighbour, Share
from recsys_spark.explaining.model import ExplainedModel
from recsys_spark.kernels.arrays import F64, I32, I64
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.folds import Histories

_ENTRIES_AT_ONCE = 1 << 20
"""Entries of histories that are folded in together, where each item is left out once."""


def nearest_items(scorer: PairScorer, item: int, history: Histories, *, n: int) -> tuple[Neighbour, ...]:
    """The items of a history whose vectors have the highest cosine with an item's; of equal ones the lower index.

    Args:
        scorer: a dot product.
        item: index; if it is in the history, it is not its own neighbour.
        history: of one user.
        n: how many, at most. Items whose vector is zero are none of them.
    """
    mine, others = scorer.item[item].astype(np.float64), scorer.item[history.items].astype(np.float64)
    lengths = np.linalg.norm(others, axis=1) * np.linalg.norm(mine)
    cosines = np.divide(others @ mine, lengths, out=np.full(len(others), -np.inf), where=lengths > 0)
    cosines[history.items == item] = -np.inf
    order = [at for at in np.lexsort((history.items, -cosines))[:n] if np.isfinite(cosines[at])]
    return tuple(Neighbour(int(history.items[at]), float(history.ratings[at]), float(cosines[at])) for at in order)


def history_parts(model: ExplainedModel, item: int, history: Histories) -> HistoryParts | None:
    """The score with a vector made of the history, by its items; none: the model makes no vectors of histories.

    Least squares make a sum of it (Hu, Koren, Volinsky: Collaborative Filtering for Implicit Feedback Datasets, ICDM
    2008, section 5). A history tower divides by the root of the number of likes, so there each item is left out once.

    Args:
        model: what is explained.
        item: index.
        history: of one user.
    """
    whole = without_items(model, history, left_out=None)
    if whole is None or model.fold is None:
        return None
    scorer = model.scorer
    score = float(_scores(whole, item)[0])
    base = scorer.offset + (0.0 if scorer.item_bias is None else scorer.scale * float(scorer.item_bias[item]))
    shares = model.fold.shares(history, item)
    if shares is not None:
        return HistoryParts("sum", base, _largest_first(history, shares[model.of]), score)
    changes = np.concatenate([np.zeros(0), *(score - _scores(s, item) for s in _each_left_out(model, history))])
    return HistoryParts("left_out", base, _largest_first(history, changes), score)


def without_items(model: ExplainedModel, history: Histories, *, left_out: I64 | None) -> PairScorer | None:
    """The scorer with users made of a history; none: the model makes no vectors of histories.

    Args:
        model: what is explained.
        history: of one user.
        left_out: i64[m], for each user the place in the history that is left out; none: one user, of all of it.
    """
    n = len(history.items)
    if left_out is None:
        asked = history
    else:
        kept = np.arange(n)[None] != left_out[:, None]
        places = np.broadcast_to(np.arange(n), kept.shape)[kept]
        weights = None if history.weights is None else history.weights[places]
        ends = np.arange(len(left_out) + 1, dtype=np.int64) * (n - 1)
        asked = Histories(ends, history.items[places], history.ratings[places], weights)
    side = None if model.fold is None else model.fold.sides(asked).get(model.of)
    return None if side is None else replace(model.scorer, user=side.user, user_bias=side.bias)


def _each_left_out(model: ExplainedModel, history: Histories) -> Iterator[PairScorer]:
    n = len(history.items)
    at_once = max(1, _ENTRIES_AT_ONCE // max(n, 1))
    for first in range(0, n, at_once):
        found = without_items(model, history, left_out=np.arange(first, min(first + at_once, n)))
        assert found is not None
        yield found


def _scores(scorer: PairScorer, item: int) -> F64:
    """Of one item for all users: f64[n_users], unclipped."""
    users: I32 = np.arange(scorer.n_users, dtype=np.int32)
    return scorer.score(users, np.full(len(users), item, np.int32)).astype(np.float64)


def _largest_first(history: Histories, changes: F64) -> tuple[Share, ...]:
    order = np.lexsort((history.items, -np.abs(changes)))
    return tuple(
        Share(int(history.items[at]), float(history.ratings[at]), float(changes[at])) for at in order if changes[at]
    )
