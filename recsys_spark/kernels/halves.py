"""The two halves of a first dense layer, as `score32` has them: of all users, or of all items."""

from __future__ import annotations

import numpy as np

from recsys_spark.kernels.arrays import F32, F64, I32, read_only
from recsys_spark.kernels.jit import jit_with_arrays
from recsys_spark.kernels.lanes import LANES, project
from recsys_spark.kernels.score32 import gather

_ROWS_AT_ONCE = 4096


def halves_of(columns: F32, rows: I32, weight: F32, start: F32) -> F32:
    """The halves of some rows, f32[m, h], as `score32` has them."""
    halves = np.empty((len(rows), len(weight)), np.float32)
    _fill_halves(read_only(columns), read_only(rows), weight, start, halves)
    return halves


@jit_with_arrays
def _fill_halves(columns: F32, rows: I32, weight: F32, start: F32, halves: F32) -> None:
    lanes = np.zeros((columns.shape[1], LANES), np.float32)
    outputs = np.empty((len(weight), LANES), np.float32)
    for first in range(0, rows.size, LANES):
        last = min(first + LANES, rows.size)
        gather(columns, rows[first:last], lanes)
        project(weight, start, lanes, outputs)
        for n in range(last - first):
            halves[first + n] = outputs[:, n]


def reach_of(columns: F32, rows: I32, weight: F32, start: F32) -> tuple[F64, F64]:
    """The lowest and the highest half of each unit over some rows: f64[h] each."""
    h = len(weight)
    low, high = np.full(h, np.inf), np.full(h, -np.inf)
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        halves = halves_of(columns, rows[first : first + _ROWS_AT_ONCE], weight, start)
        low, high = np.minimum(low, halves.min(axis=0)), np.maximum(high, halves.max(axis=0))
    return low, high
