"""Which models can give a user a vector without training, and how: by the formula of their training.

| model | fold |
| --- | --- |
| `ials`, `joint` | least squares of the implicit loss; `joint` that of the ratings besides |
| `softmax` | the history tower |
| `dot` | least squares of the ratings, where users have no features |

Others have no such formula: their users keep the vector that was trained, or have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from recsys_spark.kernels.arrays import F32, F64, I32, I64, Flags
from recsys_spark.kernels.folding import (
    history_vectors,
    least_squares_shares,
    least_squares_vectors,
    rating_shares,
    rating_vectors,
)
from recsys_spark.kernels.scorer import DenseLayer, PairScorer
from recsys_spark.manifest import RATING

HISTORY_SCORER = "history"
"""The scorer whose item side holds the history vectors; its scores mean nothing."""


class Histories(NamedTuple):
    """All accepted ratings of some users."""

    offsets: I64
    """i64[m + 1], where each user's ratings begin and end."""

    items: I32
    ratings: F32

    weights: F32 | None = None
    """f32[...], what each rating counts by its age; none: all the same."""

    def where(self, wanted: Flags) -> Histories:
        """Only some of the ratings: bool[...]."""
        ends = np.concatenate(([0], np.cumsum(wanted)))[self.offsets].astype(np.int64)
        weights = None if self.weights is None else self.weights[wanted]
        return Histories(ends, self.items[wanted], self.ratings[wanted], weights)


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

    def shares(self, history: Histories, item: int) -> dict[str, F64] | None:
        """What each rating of one user adds to the score of an item, where that is a sum.

        Args:
            history: of one user.
            item: its index.

        Returns:
            By the scorer's name f64[n] in units of the score, 0 for ratings that say nothing: with the item's bias and
            the offset they add up to the score with the vector of `sides`. None: a vector is no such sum.
        """
        ...


@dataclass(frozen=True, eq=False)
class _LeastSquares:
    main: PairScorer
    rating: PairScorer | None
    liked_at: float
    weighted: bool
    settings: Mapping[str, Any]
    mean_weight: float

    def sides(self, histories: Histories) -> dict[str, UserSide]:
        liked = histories.where(self._likes(histories))
        vectors = least_squares_vectors(
            self.main.item, liked.offsets, liked.items, self._weights(liked), **self._equation
        )
        found = {"main": UserSide(vectors, None)}
        if self.rating is not None:
            found[RATING] = _rated(self.rating, histories, l2=self.settings["rating_l2"], mean_weight=self.mean_weight)
        return found

    def shares(self, history: Histories, item: int) -> dict[str, F64]:
        likes = self._likes(history)
        liked, shares = history.where(likes), np.zeros(len(likes))
        shares[likes] = least_squares_shares(self.main.item, item, liked.items, self._weights(liked), **self._equation)
        found = {"main": shares * self.main.scale}
        if self.rating is not None:
            l2, mean_weight = self.settings["rating_l2"], self.mean_weight
            found[RATING] = _rating_shares(self.rating, history, item, l2=l2, mean_weight=mean_weight)
        return found

    @property
    def _equation(self) -> dict[str, float]:
        return {name: self.settings[name] for name in ("unobserved_weight", "l2", "l2_exponent")}

    def _likes(self, histories: Histories) -> Flags:
        known = _trained(self.main.item)[histories.items]
        return known & (histories.ratings >= np.float32(self.liked_at))

    def _weights(self, liked: Histories) -> F32:
        of_likes = liked.ratings if self.weighted else np.ones(len(liked.items), np.float32)
        return of_likes if liked.weights is None else of_likes * liked.weights


@dataclass(frozen=True, eq=False)
class _HistoryTower:
    history: F32
    liked_at: float

    def sides(self, histories: Histories) -> dict[str, UserSide]:
        known = _trained(self.history)[histories.items]
        liked = histories.where(known & (histories.ratings >= np.float32(self.liked_at)))
        return {"main": UserSide(history_vectors(self.history, liked.offsets, liked.items), None)}

    def shares(self, history: Histories, item: int) -> None:
        """None: what a like adds depends on the number of the others."""


@dataclass(frozen=True, eq=False)
class _Ratings:
    main: PairScorer
    l2: float
    mean_weight: float

    def sides(self, histories: Histories) -> dict[str, UserSide]:
        return {"main": _rated(self.main, histories, l2=self.l2, mean_weight=self.mean_weight)}

    def shares(self, history: Histories, item: int) -> dict[str, F64]:
        return {"main": _rating_shares(self.main, history, item, l2=self.l2, mean_weight=self.mean_weight)}


def fold_of(
    settings: Mapping[str, Any],
    scorers: Mapping[str, PairScorer],
    *,
    liked_at: float | None,
    weighted: bool = False,
    mean_weight: float = 1.0,
) -> Fold | None:
    """How a stored model folds users in; none: it cannot.

    Args:
        settings: the model's own, as its manifest has them.
        scorers: the published ones.
        liked_at: the lowest rating of a liked item when it was fitted; none: it is about ratings.
        weighted: whether a like counts as much as its rating says.
        mean_weight: of the ratings of the fit, by their age: losses of ratings are relative to it.
    """
    main, name = scorers["main"], settings["name"]
    if name in ("ials", "joint") and liked_at is not None:
        return _LeastSquares(main, scorers.get(RATING), liked_at, weighted, settings, mean_weight)
    if name == "softmax" and liked_at is not None and HISTORY_SCORER in scorers:
        return _HistoryTower(scorers[HISTORY_SCORER].item, liked_at)
    if name == "dot":
        return _Ratings(main, settings["l2"], mean_weight)
    return None


def with_sides(
    scorers: Mapping[str, PairScorer], users: I32 | I64, sides: Mapping[str, UserSide]
) -> dict[str, PairScorer]:
    """Scorers with what they know of some users put in place.

    Args:
        scorers: by name; they stay as they are.
        users: indices, i32[m].
        sides: of these users, for some of the scorers.
    """
    found = dict(scorers)
    for name, side in sides.items():
        user = found[name].user.copy()
        user[users] = side.user
        bias = found[name].user_bias
        if bias is not None:
            bias = bias.copy()
            bias[users] = 0 if side.bias is None else side.bias
        found[name] = replace(found[name], user=user, user_bias=bias)
    return found


def history_scorer(history: F32, n_users: int) -> PairScorer:
    """History vectors f32[n_items, k] in the form in which an artefact stores arrays."""
    nothing = DenseLayer(np.zeros((history.shape[1], 1), np.float32), np.zeros(1, np.float32), "linear")
    return PairScorer(user=np.zeros((n_users, 0), np.float32), item=history, layers=(nothing,))


def _trained(table: F32) -> Flags:
    """Which rows are not all zeros."""
    flags: Flags = np.any(table, axis=1)
    return flags


def _rated(scorer: PairScorer, histories: Histories, *, l2: float, mean_weight: float) -> UserSide:
    """What predicts the ratings of some histories best."""
    rated = histories.where(_trained(scorer.item)[histories.items])
    targets, weights = _targets(scorer, rated, mean_weight)
    with_bias = scorer.item_bias is not None
    vectors, own = rating_vectors(
        scorer.item, rated.offsets, rated.items, targets, l2=l2, biases=with_bias, weights=weights
    )
    return UserSide(vectors, own if with_bias else None)


def _rating_shares(scorer: PairScorer, history: Histories, item: int, *, l2: float, mean_weight: float) -> F64:
    """What each rating of one user adds to the score of an item, with the vector of `_rated`."""
    counting = _trained(scorer.item)[history.items]
    rated, shares = history.where(counting), np.zeros(len(counting))
    targets, weights = _targets(scorer, rated, mean_weight)
    with_bias = scorer.item_bias is not None
    found = rating_shares(scorer.item, item, rated.items, targets, l2=l2, biases=with_bias, weights=weights)
    shares[counting] = found * scorer.scale
    return shares


def _targets(scorer: PairScorer, rated: Histories, mean_weight: float) -> tuple[F32, F32 | None]:
    """What the vectors are to give for each rating beside the item's bias, and what each counts."""
    targets = (rated.ratings - np.float32(scorer.offset)) / np.float32(scorer.scale)
    if scorer.item_bias is not None:
        targets = targets - scorer.item_bias[rated.items]
    weights = None if rated.weights is None else (rated.weights / mean_weight).astype(np.float32)
    return targets, weights
