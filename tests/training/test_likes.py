"""Likes are the rows with a high rating, user by user, whatever the order of the rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_spark.training.likes import items_of, liked_at, likes_of, listed
from recsys_spark.training.rows import TrainingRows, gathered
from recsys_spark.training.settings import TrainingSettings

N_USERS, N_ITEMS = 6, 9


def rows_of(*triples: tuple[int, int, float]) -> TrainingRows:
    user, item, rating = (np.array(column) for column in zip(*triples, strict=True))
    part = np.zeros(len(triples), np.uint8)
    return TrainingRows(user.astype(np.int32), item.astype(np.int32), rating.astype(np.float32), part)


TRIPLES = st.lists(
    st.tuples(st.integers(0, N_USERS - 1), st.integers(0, N_ITEMS - 1), st.integers(1, 5)), min_size=1, max_size=40
)


@given(triples=TRIPLES, at=st.integers(1, 6))
def test_every_row_at_or_above_is_a_like_of_its_user(triples: list[tuple[int, int, int]], at: int) -> None:
    likes = likes_of(rows_of(*triples), at=at, n_users=N_USERS, n_items=N_ITEMS)
    for user in range(N_USERS):
        mine = likes.items[likes.offsets[user] : likes.offsets[user + 1]]
        assert list(mine) == [item for u, item, rating in triples if u == user and rating >= at]
    assert (likes.weights == 1).all()
    assert likes.n_users == N_USERS
    np.testing.assert_array_equal(likes.users, sorted({u for u, _, rating in triples if rating >= at}))


@given(triples=TRIPLES)
def test_weights_go_with_their_rows_and_sum_up_by_user_and_by_item(triples: list[tuple[int, int, int]]) -> None:
    rows = rows_of(*triples)
    lists = listed(rows, rows.rating, n_users=N_USERS, n_items=N_ITEMS)
    for weights, index, n in ((lists.weight_of_users(), 0, N_USERS), (lists.weight_of_items(), 1, N_ITEMS)):
        expected = [sum(triple[2] for triple in triples if triple[index] == i) for i in range(n)]
        np.testing.assert_array_equal(weights, expected)


def test_lists_of_items_ascend_hold_each_item_once_and_only_what_is_asked_for() -> None:
    likes = likes_of(rows_of((0, 5, 5), (0, 2, 5), (0, 5, 5), (3, 1, 5), (2, 8, 5)), at=4, n_users=4, n_items=9)
    offsets, items = items_of(likes, np.array([0, 1, 3], np.int32))
    assert (offsets.tolist(), items.tolist()) == ([0, 2, 2, 3], [2, 5, 1])
    offsets, items = items_of(likes, np.array([0, 3], np.int32), among=np.array([1, 5], np.int32))
    assert (offsets.tolist(), items.tolist()) == ([0, 1, 2], [5, 1])


def test_rows_on_disk_give_the_same_likes(tmp_path: Path) -> None:
    rows = rows_of((1, 5, 5), (0, 2, 4), (0, 5, 3), (3, 1, 5))
    on_disk = gathered(rows.chunks(), len(rows), scratch=tmp_path)
    in_memory, mapped = (likes_of(r, at=4, n_users=4, n_items=9) for r in (rows, on_disk))
    for name in ("offsets", "items", "weights"):
        np.testing.assert_array_equal(getattr(mapped, name), getattr(in_memory, name))


@pytest.mark.parametrize(("given", "expected"), [(None, 2.5), (4.0, 4.0)])
def test_a_like_is_what_is_asked_for_or_above_the_mean(given: float | None, expected: float) -> None:
    assert liked_at(rows_of((0, 0, 1), (0, 1, 4)), TrainingSettings(relevant_at=given)) == expected


def test_of_events_every_row_is_a_like_that_counts_its_weight() -> None:
    rows, events = rows_of((0, 0, 1), (0, 1, 4)), TrainingSettings(event_weights={"view": 1, "buy": 4})
    likes = likes_of(rows, at=liked_at(rows, events), weighted=True, n_users=1, n_items=2)
    assert (likes.items.tolist(), likes.weights.tolist()) == ([0, 1], [1, 4])


def test_where_all_ratings_are_the_same_every_row_is_a_like() -> None:
    rows = rows_of((0, 0, 0.1), (0, 1, 0.1), (1, 1, 0.1))
    assert len(likes_of(rows, at=liked_at(rows, TrainingSettings()), n_users=2, n_items=2).items) == 3
