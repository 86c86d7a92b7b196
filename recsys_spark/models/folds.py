"""Which models can give a user a vector without training, and how: by the formula of their training.

| model | fold |
| --- | --- |
| `ials`, `joint` | least squares of the implicit loss; `joint` the user's part in predicted ratings besides |
| `softmax` | the history tower |
| `dot` | least squares of the ratings, where users have no features |

Others have no such formula: their users keep the vector that was trained, or have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from recsys_spark.kernels.arrays import F32, I32, I64, Flags
from recsys_spark.kernels.folding import history_vectors, least_squares_vectors, rating_vectors
from recsys_spark.kernels.scorer import DenseLayer, PairScorer
from recsys_spark.models.joint import RATING

HISTORY_SCORER = "history"
"""The scorer whose item side holds the history vectors; its scores mean nothing."""


class Histories(NamedTuple):
    """All accepted ratings of some users."""

    offsets: I64
    """i64[m + 1], where each user's ratings begin and end."""

    items: I32
    ratings: F32

    def where(self, wanted: Flags) -> Histories:
        """Only some of the ratings: bool[...]."""
        ends = np.concatenate(([0], np.cumsum(wanted)))[self.offsets].astype(np.int64)
        return Histories(ends, self.items[wanted], self.ratings[wanted])


class UserSide(NamedTuple):
    """What a scorer knows of some users."""

    user: F32
    """f32[m, k]"""

    bias: F32 | None
    """f32[m], or none where the scorer has none."""


class Fold(Protocol):
    """How a model gives users their vectors. It is sent to executors, and knows no Keras."""

    def sides(self, histories: Histories) -> dict[str, UserSide]:
        """The users' part of each scorer, by its name; zeros where nothing in a history says anything."""
        ...


@dataclass(frozen=True, eq=False)
class _LeastSquares:
    main: PairScorer
    rating: PairScorer | None
    liked_at: float
    weighted: bool
    settings: Mapping[str, Any]

    def sides(self, histories: Histories) -> dict[str, UserSide]:
        known = _trained(self.main.item)[histories.items]
        liked = histories.where(known & (histories.ratings >= np.float32(self.liked_at)))
        weights = {name: self.settings[name] for name in ("unobserved_weight", "l2", "l2_exponent")}
        of_likes = liked.ratings if self.weighted else np.ones(len(liked.items), np.float32)
        vectors = least_squares_vectors(self.main.item, liked.offsets, liked.items, of_likes, **weights)
        found = {"main": UserSide(vectors, None)}
        if self.rating is not None:
            found[RATING] = self._rating(vectors, histories)
        return found

    def _rating(self, vectors: F32, histories: Histories) -> UserSide:
        """The same vectors, reweighted, and the bias that minimises the errors of the ratings."""
        scorer = self.rating
        assert scorer is not None
        assert scorer.item_bias is not None
        weights = _ratio(scorer.user, self.main.user)
        user = vectors * weights
        owner = np.repeat(np.arange(len(user)), np.diff(histories.offsets))
        predicted = np.einsum("nk,nk->n", user[owner], scorer.item[histories.items]) + scorer.item_bias[histories.items]
        errors = (histories.ratings - scorer.offset) / scorer.scale - predicted
        counts = np.diff(histories.offsets)
        sums = np.bincount(owner, errors, len(user))
        bias = sums / (np.maximum(counts, 1) * (1 + self.settings["bias_l2"]))
        return UserSide(user.astype(np.float32), bias.astype(np.float32))


@dataclass(frozen=True, eq=False)
class _HistoryTower:
    history: F32
    liked_at: float

    def sides(self, histories: Histories) -> dict[str, UserSide]:
        known = _trained(self.history)[histories.items]
        liked = histories.where(known & (histories.ratings >= np.float32(self.liked_at)))
        return {"main": UserSide(history_vectors(self.history, liked.offsets, liked.items), None)}


@dataclass(frozen=True, eq=False)
class _Ratings:
    main: PairScorer
    l2: float

    def sides(self, histories: Histories) -> dict[str, UserSide]:
        scorer = self.main
        biases = scorer.item_bias
        known = _trained(scorer.item)[histories.items]
        rated = histories.where(known)
        targets = (rated.ratings - np.float32(scorer.offset)) / np.float32(scorer.scale)
        if biases is not None:
            targets = targets - biases[rated.items]
        vectors, own = rating_vectors(
            scorer.item, rated.offsets, rated.items, targets, l2=self.l2, biases=biases is not None
        )
        return {"main": UserSide(vectors, None if biases is None else own)}


def fold_of(
    settings: Mapping[str, Any],
    scorers: Mapping[str, PairScorer],
    *,
    liked_at: float | None,
    weighted: bool = False,
) -> Fold | None:
    """How a stored model folds users in; none: it cannot.

    Args:
        settings: the model's own, as its manifest has them.
        scorers: the published ones.
        liked_at: the lowest rating of a liked item when it was fitted; none: it is about ratings.
        weighted: whether a like counts as much as its rating says.
    """
    main, name = scorers["main"], settings["name"]
    if name in ("ials", "joint") and liked_at is not None:
        return _LeastSquares(main, scorers.get(RATING), liked_at, weighted, settings)
    if name == "softmax" and liked_at is not None and HISTORY_SCORER in scorers:
        return _HistoryTower(scorers[HISTORY_SCORER].item, liked_at)
    if name == "dot":
        return _Ratings(main, settings["l2"])
    return None


def history_scorer(history: F32, n_users: int) -> PairScorer:
    """History vectors f32[n_items, k] in the form in which an artefact stores arrays."""
    nothing = DenseLayer(np.zeros((history.shape[1], 1), np.float32), np.zeros(1, np.float32), "linear")
    return PairScorer(user=np.zeros((n_users, 0), np.float32), item=history, layers=(nothing,))


def _trained(table: F32) -> Flags:
    """Which rows are not all zeros."""
    flags: Flags = np.any(table, axis=1)
    return flags


def _ratio(part: F32, whole: F32) -> F32:
    """The factor of each column by which one table is the other: of the row where it is told most exactly."""
    rows = np.abs(whole).argmax(axis=0)
    columns = np.arange(whole.shape[1])
    below = whole[rows, columns]
    ratio: F32 = np.divide(part[rows, columns], below, out=np.zeros_like(below), where=below != 0)
    return ratio
