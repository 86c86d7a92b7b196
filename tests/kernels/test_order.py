"""Candidates come in an order that serves all lists."""

from __future__ import annotations

import numpy as np

from recsys_spark.kernels.order import order_of
from recsys_spark.kernels.tile import BLOCK


def test_with_one_list_candidates_keep_their_order() -> None:
    liked_first = np.array([7, 3, 9, 0], np.int32)

    order = order_of(liked_first, np.ones(10, np.int64))

    assert order.items.reshape(-1)[:5].tolist() == [7, 3, 9, 0, -1]
    assert order.items.shape == (1, BLOCK)
    assert order.place.tolist() == [3, -1, -1, 1, -1, -1, -1, 0, -1, 2]
    assert order.any_member.tolist() == [1]


def test_with_several_lists_those_that_few_may_enter_lie_together_behind_the_best() -> None:
    members = np.array([0b011, 0b001, 0b101, 0b001] * 5, np.int64)

    order = order_of(np.arange(20, dtype=np.int32), members)

    in_order = order.items.reshape(-1)[:20]
    assert in_order[:2].tolist() == [0, 1]
    assert sorted(in_order) == list(range(20))
    behind = members[in_order[2:]].tolist()
    assert len([n for n in range(1, 18) if behind[n] != behind[n - 1]]) == 2
    in_blocks = order.members.reshape(-1)
    assert in_blocks[:20].tolist() == members[in_order].tolist()
    assert not in_blocks[20:].any()
