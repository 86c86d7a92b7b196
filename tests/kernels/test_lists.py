"""Lists stay in order whatever comes in whatever order, and know what was seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_spark.errors import DataError
from recsys_spark.kernels.arrays import read_only
from recsys_spark.kernels.lists import Seen, TopN, checked_seen, insert, is_seen

SCORES = st.sampled_from([-3.0, 0.0, 0.5, 0.5000001, 7.0])
SETTINGS = settings(max_examples=200, deadline=None, derandomize=True)


@SETTINGS
@given(st.dictionaries(st.integers(0, 50), SCORES, max_size=30), st.integers(1, 8), st.randoms(use_true_random=False))
def test_the_best_stay_in_the_order_of_scores_then_items(scores: dict[int, float], size: int, random: object) -> None:
    arrived = list(scores.items())
    random.shuffle(arrived)  # type: ignore[attr-defined]
    lists, count = TopN.empty(1, size), 0

    for item, score in arrived:
        count = insert(lists.items[0], lists.scores[0], count, np.int32(item), np.float32(score))

    expected = sorted(scores.items(), key=lambda entry: (-np.float32(entry[1]), entry[0]))[:size]
    assert count == len(expected)
    assert lists.items[0, :count].tolist() == [item for item, _ in expected]
    assert lists.scores[0, :count].tolist() == [np.float32(score) for _, score in expected]


@SETTINGS
@given(st.lists(st.lists(st.integers(0, 12), max_size=9), min_size=1, max_size=4))
def test_exactly_the_seen_items_of_a_user_are_seen(items: list[list[int]]) -> None:
    offsets = np.cumsum([0, *(len(own) for own in items)])
    seen = checked_seen(offsets, np.array([i for own in items for i in sorted(own)], np.int32), n_users=len(items))

    for row, own in enumerate(items):
        assert {item for item in range(14) if is_seen(seen, row, item)} == set(own)


def test_nothing_is_seen_of_an_empty_list() -> None:
    seen = Seen(np.zeros(1, np.int64), read_only(np.zeros(1, np.int64)), read_only(np.empty(0, np.int32)))
    assert not is_seen(seen, 0, 3)


def test_offsets_beyond_the_items_are_refused() -> None:
    with pytest.raises(DataError, match="seen_offsets: expected offsets from 0 to 2"):
        checked_seen(np.array([0, 3]), np.array([1, 2], np.int32), n_users=1)


def test_some_users_of_lists() -> None:
    lists = TopN.empty(4, 2)
    lists.counts[:] = [1, 2, 3, 4]

    assert lists.of(slice(1, 3)).counts.base is not None
    assert lists.of(np.array([3, 0])).counts.tolist() == [4, 1]
