"""Vectors from likes: what they minimise, and that nobody's depends on the others'."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys_spark.kernels.folding import history_vectors, least_squares_vectors

WEIGHTS = {"unobserved_weight": 0.1, "l2": 0.05, "l2_exponent": 0.7}


def drawn(seed: int, n_users: int = 5, n_items: int = 8, k: int = 3) -> tuple[np.ndarray, ...]:
    """A table of items, and likes of some users, one of whom likes nothing."""
    random = np.random.default_rng(seed)
    table = random.normal(size=(n_items, k)).astype(np.float32)
    table[2] = 0
    counts = random.integers(0, n_items, n_users)
    counts[1] = 0
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    items = np.concatenate([np.sort(random.permutation(n_items)[:count]) for count in counts]).astype(np.int32)
    return table, offsets, items, random.uniform(0.5, 2, len(items)).astype(np.float32)


def loss(vector: np.ndarray, table: np.ndarray, liked: np.ndarray, weights: np.ndarray) -> float:
    """The part of the loss of implicit matrix factorisation that one user's vector has a say in."""
    a, l2, e = WEIGHTS["unobserved_weight"], WEIGHTS["l2"], WEIGHTS["l2_exponent"]
    n = weights.sum() + a * table.any(axis=1).sum()
    fit = (weights * (1 - table[liked] @ vector) ** 2).sum() + a * ((table @ vector) ** 2).sum()
    return float(fit + l2 * n**e * (vector @ vector))


@given(seed=st.integers(0, 2**32 - 1))
def test_no_other_vector_has_a_smaller_loss(seed: int) -> None:
    table, offsets, items, weights = drawn(seed)
    vectors = least_squares_vectors(table, offsets, items, weights, **WEIGHTS)
    random = np.random.default_rng(seed)
    for user, vector in enumerate(vectors.astype(np.float64)):
        mine = slice(offsets[user], offsets[user + 1])
        least = loss(vector, table, items[mine], weights[mine])
        for step in (1e-1, 1e-3):
            other = vector + step * random.normal(size=vector.shape)
            assert loss(other, table, items[mine], weights[mine]) > least - 1e-9


@given(seed=st.integers(0, 2**32 - 1))
def test_a_history_vector_is_the_sum_over_the_root_of_the_number(seed: int) -> None:
    table, offsets, items, _ = drawn(seed, n_users=7)
    vectors = history_vectors(table, offsets, items)
    for user, vector in enumerate(vectors):
        liked = table[items[offsets[user] : offsets[user + 1]]]
        np.testing.assert_allclose(vector, liked.sum(axis=0) / np.sqrt(max(len(liked), 1)), rtol=1e-5, atol=1e-6)


def test_who_likes_nothing_gets_zeros() -> None:
    table, offsets, items, weights = drawn(3)
    assert not least_squares_vectors(table, offsets, items, weights, **WEIGHTS)[1].any()
    assert not history_vectors(table, offsets, items)[1].any()


def test_a_users_vector_is_the_same_alone_and_among_others() -> None:
    table, offsets, items, weights = drawn(4, n_users=2100)
    everybody = least_squares_vectors(table, offsets, items, weights, **WEIGHTS)
    summed = history_vectors(table, offsets, items)
    for user in (0, 7, 1023, 1024, 2099):
        mine = slice(offsets[user], offsets[user + 1])
        alone = np.array([0, mine.stop - mine.start])
        one = least_squares_vectors(table, alone, items[mine], weights[mine], **WEIGHTS)
        np.testing.assert_array_equal(one[0], everybody[user])
        np.testing.assert_array_equal(history_vectors(table, alone, items[mine])[0], summed[user])
