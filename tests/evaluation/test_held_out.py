"""Users come whole, whatever the batches: with all that was fitted and all that was held out of each."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_spark.evaluation.held_out import held_out_users

Row = tuple[int, int, bool]

ROWS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 9), st.booleans()), unique_by=lambda row: row[:2], max_size=60
).map(sorted)


def batches(rows: list[Row], cuts: list[int]) -> Iterator[pa.RecordBatch]:
    user, item, held = zip(*rows, strict=True) if rows else ((), (), ())
    table = pa.RecordBatch.from_arrays(
        [
            pa.array(user, pa.int32()),
            pa.array(item, pa.int32()),
            pa.array([u + i / 10 for u, i, _ in rows], pa.float32()),
            pa.array([i - u for u, i, _ in rows], pa.float32()),
            pa.array(held, pa.bool_()),
        ],
        names=["user", "item", "rating", "weight", "held"],
    )
    edges = sorted({0, len(rows), *(cut % (len(rows) + 1) for cut in cuts)})
    for start, end in pairwise(edges):
        yield table.slice(start, end - start)


@given(ROWS, st.lists(st.integers(0, 60), max_size=8), st.integers(1, 20))
def test_every_user_with_held_out_rows_comes_once_and_whole(rows: list[Row], cuts: list[int], at_once: int) -> None:
    found: dict[int, tuple[list[int], list[int]]] = {}
    for group in held_out_users(batches(rows, cuts), at_once=at_once):
        assert 1 <= len(group.users) <= at_once
        for n, user in enumerate(group.users.tolist()):
            fitted = group.fitted_items[group.fitted_offsets[n] : group.fitted_offsets[n + 1]]
            span = slice(group.held_offsets[n], group.held_offsets[n + 1])
            assert user not in found
            found[user] = fitted.tolist(), group.held_items[span].tolist()
            expected = user + group.held_items[span] / np.float32(10)
            np.testing.assert_allclose(group.held_ratings[span], expected, rtol=1e-6)
            assert group.held_weights is not None
            np.testing.assert_array_equal(group.held_weights[span], group.held_items[span] - user)
    assert found == {
        user: (
            [i for u, i, held in rows if u == user and not held],
            [i for u, i, held in rows if u == user and held],
        )
        for user in sorted({u for u, _, held in rows if held})
    }
    assert list(found) == sorted(found)


@pytest.mark.parametrize("rows", [[], [(3, 1, False), (4, 1, False)]])
def test_nobody_comes_where_nothing_was_held_out(rows: list[Row]) -> None:
    assert list(held_out_users(batches(rows, [1]), at_once=2)) == []
