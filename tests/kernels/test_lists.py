"""Lists stay in order whatever comes in whatever order, and know what was seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_spark.errors import DataError
from recsys_spark.kernels.lists import TopN, checked_seen, offer

SCORES = st.sampled_from([-3.0, 0.0, 0.5, 0.5000001, 7.0])
SETTINGS = settings(max_examples=200, deadline=None, derandomize=True)


@SETTINGS
@given(st.dictionaries(st.integers(0, 50), SCORES, max_size=30), st.integers(1, 8), st.randoms(use_true_random=False))
def test_the_best_stay_in_the_order_of_scores_then_items(scores: dict[int, float], size: int, random: object) -> None:
    arrived = list(scores.items())
    random.shuffle(arrived)  # type: ignore[attr-defined]
    lists = TopN.empty(1, size)

    for item, score in arrived:
        lists.counts[0] = offer(lists.items[0], lists.scores[0], lists.counts[0], np.int32(item), np.float32(score))
    lists.put_in_order()

    expected = sorted(scores.items(), key=lambda entry: (-np.float32(entry[1]), entry[0]))[:size]
    count = int(lists.counts[0])
    assert count == len(expected)
    assert lists.items[0, :count].tolist() == [item for item, _ in expected]
    assert lists.scores[0, :count].tolist() == [np.float32(score) for _, score in expected]


def test_offsets_beyond_the_items_are_refused() -> None:
    with pytest.raises(DataError, match="seen_offsets: expected offsets from 0 to 2"):
        checked_seen(np.array([0, 3]), np.array([1, 2], np.int32), n_users=1)


def test_some_users_of_lists() -> None:
    lists = TopN.empty(4, 2, variants=2)
    lists.counts[:] = range(8)

    some = lists.of(slice(1, 3))

    assert some.counts.tolist() == [2, 3, 4, 5]
    assert some.counts.base is lists.counts


def test_lists_of_some_users_are_put_among_the_others() -> None:
    lists, some = TopN.empty(4, 2, variants=2), TopN.empty(2, 2, variants=2)
    some.counts[:], some.scored[:] = [1, 2, 1, 0], [7, 8]

    lists.put(np.array([3, 0]), some)

    assert lists.counts.tolist() == [1, 0, 0, 0, 0, 0, 1, 2]
    assert lists.scored.tolist() == [8, 0, 0, 7]
