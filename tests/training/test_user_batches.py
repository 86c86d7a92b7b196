"""Batches of users: each once in an epoch, with all that is theirs."""

from __future__ import annotations

import numpy as np
import pytest

from recsys_spark.training.feed import EpochOrder
from recsys_spark.training.likes import Likes
from recsys_spark.training.objectives.objective import UserBatch
from recsys_spark.training.user_batches import batch_of, user_batches

OFFSETS = np.array([0, 3, 3, 4, 6, 9])
LIKES = Likes(OFFSETS, np.arange(9, dtype=np.int32), np.linspace(1, 2, 9).astype(np.float32), n_items=9)
NUMBERS = np.arange(5, dtype=np.float32)
RATINGS = Likes(np.arange(6), np.arange(10, 15, dtype=np.int32), NUMBERS + 1, n_items=15, targets=NUMBERS)


def epoch(batch_size: int, *, number: int = 0, seed: int = 1, ratings: Likes | None = None) -> list[UserBatch]:
    order = EpochOrder(seed)
    order.begin(number)
    batches = user_batches(LIKES, order, batch_size=batch_size, ratings=ratings)
    found = [batch_of([column.numpy() for column in batch]) for batch in batches]
    assert len(found) == int(batches.cardinality())
    return found


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 100])
def test_each_user_with_a_like_comes_once_with_all_likes(batch_size: int) -> None:
    batches = epoch(batch_size)
    assert sorted(np.concatenate([batch.users for batch in batches])) == [0, 2, 3, 4]
    assert max(len(batch.users) for batch in batches) <= batch_size
    for batch in batches:
        assert len(batch.rated_items) == len(batch.rated_owner) == len(batch.targets) == 0
        for place, user in enumerate(batch.users):
            mine = slice(OFFSETS[user], OFFSETS[user + 1])
            np.testing.assert_array_equal(batch.items[batch.owner == place], LIKES.items[mine])
            np.testing.assert_array_equal(batch.weights[batch.owner == place], LIKES.weights[mine])


def test_with_ratings_users_without_a_like_come_too() -> None:
    batches = epoch(2, ratings=RATINGS)
    assert sorted(np.concatenate([batch.users for batch in batches])) == [0, 1, 2, 3, 4]
    for batch in batches:
        np.testing.assert_array_equal(batch.rated_items, 10 + batch.users)
        np.testing.assert_array_equal(batch.targets, batch.users)
        np.testing.assert_array_equal(batch.rated_weights, batch.users + 1)


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    def users(**which: int) -> list[int]:
        return [int(user) for batch in epoch(1, **which) for user in batch.users]

    assert users(number=3) == users(number=3)
    assert len({tuple(users(number=number, seed=seed)) for number in range(6) for seed in (1, 2)}) > 6
