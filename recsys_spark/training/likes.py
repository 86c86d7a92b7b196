"""What users liked, user by user: all that a ranking model learns from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from recsys_spark.kernels.arrays import F32, I32, I64
from recsys_spark.training.recency import Recency
from recsys_spark.training.rows import TrainingRows, gathered
from recsys_spark.training.settings import TrainingSettings


@dataclass(frozen=True, eq=False)
class Likes:
    """The liked items of every user, one list after the other: 8 bytes for each like, on the driver.

    Args:
        offsets: i64[n_users + 1], where each user's items begin and end.
        items: i32[n].
        weights: f32[n], what each like counts; above 0.
        n_items: items there are, liked or not.
        targets: f32[n], what is predicted of each, where that is asked for.
    """

    offsets: I64
    items: I32
    weights: F32
    n_items: int
    targets: F32 | None = None

    @property
    def n_users(self) -> int:
        """Users there are, with or without a like."""
        return len(self.offsets) - 1

    @property
    def users(self) -> I32:
        """i32[...], the users with a like, ascending."""
        return np.flatnonzero(np.diff(self.offsets)).astype(np.int32)

    def weight_of_users(self) -> F32:
        """f32[n_users], the sum of the weights of each user's likes."""
        owner = np.repeat(np.arange(self.n_users), np.diff(self.offsets))
        return np.bincount(owner, self.weights, self.n_users).astype(np.float32)

    def weight_of_items(self) -> F32:
        """f32[n_items], the sum of the weights of each item's likes."""
        return np.bincount(self.items, self.weights, self.n_items).astype(np.float32)


def likes_of(
    rows: TrainingRows,
    *,
    at: float,
    n_users: int,
    n_items: int,
    weighted: bool = False,
    recency: Recency | None = None,
) -> Likes:
    """The rows with a high rating, as lists.

    Args:
        rows: in any order; a user's items keep theirs.
        at: the lowest rating of a liked item.
        n_users: users there are.
        n_items: items there are.
        weighted: whether a like counts as much as its rating says, else 1.
        recency: what it counts by its age, besides; none: the same at any age.
    """
    chosen = _chosen(rows, at)
    weights = chosen.rating if weighted else np.ones(len(chosen), np.float32)
    if recency is not None:
        assert chosen.day is not None
        weights = weights * recency.weights(chosen.day)
    return listed(chosen, weights, n_users=n_users, n_items=n_items)


def listed(rows: TrainingRows, weights: F32, *, n_users: int, n_items: int, targets: F32 | None = None) -> Likes:
    """All rows as lists, each with its weight, f32[n], and maybe its target, f32[n]; see `likes_of`."""
    user, item = rows.user, rows.item
    if len(user) and (np.diff(user) < 0).any():
        order = np.argsort(user, kind="stable")
        user, item, weights = user[order], item[order], weights[order]
        targets = None if targets is None else targets[order]
    counts = np.bincount(user, minlength=n_users)
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    return Likes(offsets, np.ascontiguousarray(item), weights, n_items, targets)


def items_of(likes: Likes, users: I32, *, among: I32 | None = None) -> tuple[I64, I32]:
    """The items of some users, each list ascending and without repetition.

    Args:
        likes: of all users.
        users: i32[m], ascending.
        among: i32[c], only these items, ascending; none: all.

    Returns:
        i64[m + 1], where each list begins and ends; i32[...], the items.
    """
    counts = np.diff(likes.offsets)[users]
    starts = likes.offsets[users] - (np.cumsum(counts) - counts)
    owner = np.repeat(np.arange(len(users), dtype=np.int64), counts)
    items = likes.items[np.repeat(starts, counts) + np.arange(len(owner))]
    if among is not None:
        wanted = np.isin(items, among)
        owner, items = owner[wanted], items[wanted]
    # user and item in one number: sorted by both, each pair once
    pairs = np.unique((owner << 32) | items)
    offsets = np.concatenate(([0], np.cumsum(np.bincount(pairs >> 32, minlength=len(users))))).astype(np.int64)
    return offsets, (pairs & 0xFFFFFFFF).astype(np.int32)


def liked_at(rows: TrainingRows, training: TrainingSettings) -> float:
    """The lowest rating of a liked item: as given, else the mean of the rows, so that equal ratings are all liked.

    Args:
        rows: at least one.
        training: with `event_weights` each row is a like, unless `relevant_at` says more.
    """
    if training.relevant_at is not None:
        return training.relevant_at
    return 0.0 if training.event_weights else float(np.mean(rows.rating, dtype=np.float64))


def _chosen(rows: TrainingRows, at: float) -> TrainingRows:
    least = np.float32(at)

    def liked() -> Iterator[TrainingRows]:
        for chunk in rows.chunks():
            which = chunk.rating >= least
            yield chunk.taken(which)

    n = sum(int((chunk.rating >= least).sum()) for chunk in rows.chunks())
    return gathered(liked(), n, days=rows.day is not None)
