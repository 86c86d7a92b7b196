"""From likes to batches of users: an epoch's order depends on the seed and the number of the epoch alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys_spark.kernels.arrays import F32, I32, I64
from recsys_spark.training.feed import EpochOrder
from recsys_spark.training.likes import Likes
from recsys_spark.training.objectives.objective import UserBatch

if TYPE_CHECKING:
    import tensorflow as tf

_BATCHES_AHEAD = 2


def user_batches(likes: Likes, order: EpochOrder, *, batch_size: int, ratings: Likes | None = None) -> tf.data.Dataset:
    """Each user with a like, or with a rating where these are given, once in an epoch; the last batch maybe smaller.

    Args:
        likes: of all users.
        order: says before each iteration which epoch begins.
        batch_size: users in a batch.
        ratings: all ratings of all users, with targets; none: batches hold none.

    Returns:
        A dataset of `UserBatch` whose number of batches is known.
    """
    import tensorflow as tf

    users = (likes if ratings is None else ratings).users

    def batches() -> Iterator[UserBatch]:
        for some in np.array_split(_shuffled(users, order), n_batches(len(users), batch_size)):
            owner, items, weights = _of(likes, some)
            whole, number = np.zeros(0, np.int32), np.zeros(0, np.float32)
            rated = (whole, whole, number, number)
            yield UserBatch(some, owner, items, weights, *(rated if ratings is None else _rated(ratings, some)))

    ints, floats = tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.float32)
    signature = UserBatch(ints, ints, ints, floats, ints, ints, floats, floats)
    found = tf.data.Dataset.from_generator(batches, output_signature=signature)
    known = found.apply(tf.data.experimental.assert_cardinality(n_batches(len(users), batch_size)))
    return known.prefetch(_BATCHES_AHEAD)


def n_batches(n_users: int, batch_size: int) -> int:
    """Batches of an epoch, of nearly the same size each."""
    return max(1, -(-n_users // batch_size))


def _shuffled(users: I32, order: EpochOrder) -> I32:
    seed, epoch = (int(number) for number in order.seeds().numpy())
    return np.random.default_rng([seed, epoch]).permutation(users)


def _of(lists: Likes, users: I32) -> tuple[I32, I32, F32]:
    """The lists of some users, one after the other: whose they are (positions in `users`), items, weights."""
    owner, places = _places(lists, users)
    return owner, lists.items[places], lists.weights[places]


def _rated(lists: Likes, users: I32) -> tuple[I32, I32, F32, F32]:
    """The same with targets."""
    assert lists.targets is not None
    owner, places = _places(lists, users)
    return owner, lists.items[places], lists.weights[places], lists.targets[places]


def _places(lists: Likes, users: I32) -> tuple[I32, I64]:
    """Whose the entries are, and where they lie."""
    starts, counts = lists.offsets[users], np.diff(lists.offsets)[users]
    owner = np.repeat(np.arange(len(users), dtype=np.int32), counts)
    before: I64 = np.cumsum(counts) - counts
    places: I64 = np.repeat(starts - before, counts) + np.arange(len(owner))
    return owner, places


def batch_of(values: Any) -> UserBatch:
    """What a dataset of `user_batches` gives, with its names."""
    return UserBatch(*values)
