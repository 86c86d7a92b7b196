"""The block kernel keeps the contract, and one prepared item side serves many calls."""

from __future__ import annotations

import numpy as np
import pytest

from recsys_spark.kernels.top_n import TopN, prepare, top_n
from tests.contracts.kernel import ALL_SIX, CHECKERBOARD, KernelContract, Question, ask, assert_same, random_scorer


class TestBlockKernel(KernelContract):
    def make_lists(self, question: Question, *, items_per_block: int, users_per_tile: int) -> TopN:
        prepared = prepare(
            question.scorer,
            question.candidates,
            variants=question.variants,
            segments=question.segments,
            items_per_block=items_per_block,
            users_per_tile=users_per_tile,
        )
        return ask(prepared, question)


def test_a_prepared_item_side_gives_the_same_lists_again() -> None:
    prepared = prepare(random_scorer(3, "layers", 20, 50, 4), np.arange(50, dtype=np.int32))
    seen = {"seen_offsets": np.arange(21) * 2, "seen_items": np.tile(np.array([3, 7], np.int32), 20)}

    first = prepared.top_n(np.arange(20, dtype=np.int32), n=5, **seen)
    again = prepared.top_n(np.arange(20, dtype=np.int32), n=5, **seen)

    assert_same(again, first)


def test_seen_lists_may_be_a_window_of_a_longer_array() -> None:
    seen_items = np.array([5, 0, 2, 1], np.int32)

    lists = top_n(
        CHECKERBOARD,
        np.array([0], np.int32),
        candidates=ALL_SIX,
        seen_offsets=np.array([1, 3]),
        seen_items=seen_items,
        n=2,
    )

    assert lists.items.tolist() == [[4, 1]]


def test_read_only_and_wider_integers_are_taken_as_they_come() -> None:
    users = np.array([1], np.int64)
    users.flags.writeable = False

    lists = top_n(
        CHECKERBOARD, users, candidates=np.arange(6), seen_offsets=np.array([0, 0]), seen_items=np.array([], int), n=1
    )

    assert lists.items.tolist() == [[1]]


class TestBlockKernelWithSegmentsAsBits(TestBlockKernel):
    @pytest.fixture(autouse=True)
    def no_segments_apart(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("recsys_spark.kernels.top_n._FEW_SEGMENTS", 0)
