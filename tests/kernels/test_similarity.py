"""Items as vectors whose dot products are their similarity, as plain numpy has it; and what has no direction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_spark.kernels import similarity
from recsys_spark.kernels.scorer import DenseLayer, PairScorer
from recsys_spark.kernels.similarity import centred_scores, unit_rows

SEEDS = st.integers(0, 2**32 - 1)


def table(random: np.random.Generator, *shape: int) -> np.ndarray:
    return random.normal(size=shape).astype(np.float32)


def deep(random: np.random.Generator, n_users: int = 30, n_items: int = 12) -> PairScorer:
    layers = (
        DenseLayer(table(random, 7, 8), table(random, 8), "relu"),
        DenseLayer(table(random, 8, 1), table(random, 1), "linear"),
    )
    return PairScorer(table(random, n_users, 4), table(random, n_items, 3), layers=layers, scale=1.5, offset=3.0)


@given(seed=SEEDS, n=st.integers(1, 9), k=st.integers(1, 6), power=st.integers(-30, 30))
def test_dot_products_of_unit_rows_are_cosines(seed: int, n: int, k: int, power: int) -> None:
    vectors = table(np.random.default_rng(seed), n, k) * np.float32(10.0**power)
    vectors[n // 2] = 0

    units = unit_rows(vectors)

    exact = vectors.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1)
    for i in range(n):
        for j in range(n):
            expected = exact[i] @ exact[j] / (lengths[i] * lengths[j]) if lengths[i] and lengths[j] else 0.0
            assert abs(units[i].astype(np.float64) @ units[j] - expected) < 1e-6
    assert not units[n // 2].any()


@given(seed=SEEDS)
def test_dot_products_of_centred_scores_are_pearsons_correlations(seed: int) -> None:
    random = np.random.default_rng(seed)
    scorer = deep(random)
    users, items = np.sort(random.permutation(30)[:20]).astype(np.int32), np.array([0, 2, 3, 7, 11], np.int32)

    rows = centred_scores(scorer, users, items)

    scores = scorer.score(np.tile(users, len(items)), np.repeat(items, len(users))).reshape(len(items), -1)
    expected = np.corrcoef(scores.astype(np.float64))
    np.testing.assert_allclose(rows[items].astype(np.float64) @ rows[items].T, expected, atol=1e-5)
    assert not np.delete(rows, items, axis=0).any()


def test_blocks_change_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer, users, items = deep(np.random.default_rng(1)), np.arange(30, dtype=np.int32), np.arange(12, dtype=np.int32)
    whole = centred_scores(scorer, users, items), unit_rows(scorer.item)

    monkeypatch.setattr(similarity, "_NUMBERS_AT_ONCE", 1)

    np.testing.assert_array_equal(centred_scores(scorer, users, items), whole[0])
    np.testing.assert_array_equal(unit_rows(scorer.item), whole[1])


def test_an_item_that_everybody_gets_the_same_score_for_has_no_direction() -> None:
    random = np.random.default_rng(2)
    item = table(random, 5, 3)
    item[1] = 0
    # a vector so small that rounding alone makes the scores differ
    item[3] *= np.float32(1e-8)
    scorer = PairScorer(table(random, 9, 3), item, item_bias=table(random, 5), offset=3.5)

    rows = centred_scores(scorer, np.arange(9, dtype=np.int32), np.arange(5, dtype=np.int32))

    assert rows.any(axis=1).tolist() == [True, False, True, False, True]


def test_an_item_with_a_score_that_overflows_has_no_direction_and_no_other_item_suffers() -> None:
    random = np.random.default_rng(3)
    item = table(random, 5, 3)
    item[2] = 3e38
    scorer = PairScorer(table(random, 9, 3) * np.float32(100), item)

    rows = centred_scores(scorer, np.arange(9, dtype=np.int32), np.arange(5, dtype=np.int32))

    assert rows.any(axis=1).tolist() == [True, True, False, True, True]
    assert np.isfinite(rows).all()
