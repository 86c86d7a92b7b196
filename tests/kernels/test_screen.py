"""Screening by bounds keeps the contract: the very rows of brute force."""

from __future__ import annotations

from recsys_spark.kernels.top_n import TopN, prepare
from tests.contracts.kernel import KernelContract, Question


class TestScreen(KernelContract):
    def make_lists(self, question: Question, *, items_per_block: int, users_per_tile: int) -> TopN:
        prepared = prepare(question.scorer, question.candidates, kernel="screen")
        return prepared.top_n(
            question.users, seen_offsets=question.seen_offsets, seen_items=question.seen_items, n=question.n
        )
