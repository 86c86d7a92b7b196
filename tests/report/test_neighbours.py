"""The likeness of items, beside plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_spark.report.neighbours import BINS, NEAREST, neighbours


@given(n=st.integers(1, 40), k=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
def test_the_nearest_are_those_of_all_cosines_and_every_other_item_is_in_one_bin(n: int, k: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(n, k)).astype(np.float32)
    found = neighbours(vectors)

    units = vectors.astype(np.float64) / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    cosines = units @ units.T
    assert (found.histogram.sum(axis=1) == n - 1).all()
    assert found.histogram.shape == (n, BINS)
    assert found.nearest.shape == (n, min(NEAREST, n - 1))
    for item in range(n):
        others = np.delete(cosines[item], item)
        assert item not in found.nearest[item]
        assert len(set(found.nearest[item])) == len(found.nearest[item])
        best = np.sort(others)[::-1][: found.nearest.shape[1]]
        assert found.similarity[item] == pytest.approx(best, abs=1e-5)
        assert cosines[item, found.nearest[item]] == pytest.approx(best, abs=1e-5)


def test_items_without_a_vector_are_like_nothing() -> None:
    found = neighbours(np.array([[0, 0], [1, 0], [1, 1]], np.float32))

    assert found.similarity[0].tolist() == [0, 0]
    assert found.histogram[0, BINS // 2] == 2


def test_more_rows_than_are_taken_at_once_make_no_difference() -> None:
    vectors = np.random.default_rng(2).normal(size=(1100, 3)).astype(np.float32)
    found = neighbours(vectors)
    some = neighbours(vectors[np.r_[1050, 0:1050]])

    assert found.histogram.sum() == 1100 * 1099
    assert some.histogram.sum() == 1051 * 1050
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = units[1050] @ units.T
    cosines[1050] = -2
    assert found.nearest[1050, 0] == cosines.argmax()
