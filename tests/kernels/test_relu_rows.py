"""Pairs one by one have the bits of pairs side by side."""

from __future__ import annotations

import numpy as np
import pytest

from recsys_spark.kernels.arrays import read_only
from recsys_spark.kernels.cpu import byte_lanes
from recsys_spark.kernels.halves import halves_of
from recsys_spark.kernels.head import head_of
from recsys_spark.kernels.relu_rows import padded_units, score_relu_rows
from tests.contracts.kernel import random_scorer

pytestmark = pytest.mark.skipif(not byte_lanes(), reason="this CPU has no 8-bit dot products (VNNI)")


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 100])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("transposed", [False, True])
def test_scores_have_the_bits_of_score32(n: int, seed: int, transposed: bool) -> None:
    scorer = random_scorer(seed, "relu", 30 if transposed else 12, 12 if transposed else 30, 5)
    scorer = scorer.transpose() if transposed else scorer
    random, head = np.random.default_rng(seed), head_of(scorer)
    users = np.array([3, 9, 11], np.int32)
    rows, items = random.integers(0, 3, n), random.integers(0, 30, n).astype(np.int32)
    halves = halves_of(scorer.user, users, head.user_weight, head.user_start)
    start = head.item_start[None] if transposed else np.zeros((1, len(head.user_weight)), np.float32)
    scores = np.empty(n, np.float32)

    score_relu_rows(
        padded_units(halves),
        read_only(rows),
        read_only(scorer.item),
        read_only(items),
        padded_units(head.item_weight.T),
        padded_units(start)[0],
        head,
        scores,
    )

    np.testing.assert_array_equal(scores.view(np.int32), scorer.score(users[rows], items).view(np.int32))
