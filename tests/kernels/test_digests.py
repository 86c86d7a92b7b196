"""Digests tell histories apart, whatever the order of their ratings, and survive float32."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys_spark.kernels.digests import BITS, as_columns, from_columns, history_digests

HISTORY = st.sets(st.tuples(st.integers(0, 50), st.sampled_from([1.0, 2.5, 5.0])), min_size=1, max_size=12)


def digest(history: list[tuple[int, float]]) -> int:
    item, rating = (np.array(column) for column in zip(*history, strict=True))
    return int(history_digests(np.zeros(len(item), np.int32), item.astype(np.int32), rating.astype(np.float32), 1)[0])


@given(history=HISTORY, seed=st.integers(0, 100))
def test_the_order_does_not_matter_and_any_change_does(history: set[tuple[int, float]], seed: int) -> None:
    rows = sorted(history)
    shuffled = [rows[n] for n in np.random.default_rng(seed).permutation(len(rows))]
    assert digest(shuffled) == digest(rows) < 2**BITS
    item, rating = rows[0]
    for other in ([*rows, (51, 1.0)], [(item, rating + 0.5), *rows[1:]], [(item + 100, rating), *rows[1:]]):
        assert digest(other) != digest(rows)


def test_users_do_not_mix_and_who_has_rated_nothing_has_0() -> None:
    user, item = np.array([2, 0, 2], np.int32), np.array([4, 4, 5], np.int32)
    digests = history_digests(user, item, np.array([1, 1, 2], np.float32), 4)
    assert digests[1] == digests[3] == 0
    assert digests[0] == digest([(4, 1.0)])
    assert digests[2] == digest([(4, 1.0), (5, 2.0)])


@given(values=st.lists(st.integers(0, 2**BITS - 1), max_size=20))
def test_columns_of_float32_hold_every_bit(values: list[int]) -> None:
    digests = np.array(values, np.uint64)
    np.testing.assert_array_equal(from_columns(as_columns(digests)), digests)
