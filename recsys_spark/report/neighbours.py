"""How alike the items of the maps are: the nearest ones of each, and a histogram of its likeness to all of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsys_spark.kernels.arrays import F32, I32
from recsys_spark.kernels.similarity import unit_rows

BINS = 40
NEAREST = 8
_AT_ONCE = 512


class Neighbours(NamedTuple):
    """By position on the map."""

    nearest: I32
    """i32[n, m], best first."""

    similarity: F32
    """f32[n, m], -1 to 1."""

    histogram: I32
    """i32[n, BINS]: how many of the others lie in each of the equal bins from -1 to 1."""


def neighbours(vectors: F32) -> Neighbours:
    """Cosines of all pairs, a block of rows at a time: n x 512 numbers are held at once.

    Args:
        vectors: f32[n, k]; for correlations, centred rows.
    """
    rows, n = unit_rows(vectors), len(vectors)
    m = min(NEAREST, max(n - 1, 0))
    nearest, similarity = np.empty((n, m), np.int32), np.empty((n, m), np.float32)
    histogram = np.zeros((n, BINS), np.int32)
    for start in range(0, n, _AT_ONCE):
        block = rows[start : start + _AT_ONCE] @ rows.T
        mine = np.arange(len(block))
        bins = np.clip((block + 1) * (BINS / 2), 0, BINS - 1).astype(np.int64)
        bins += mine[:, None] * BINS
        counted = np.bincount(bins.ravel(), minlength=len(block) * BINS).reshape(len(block), BINS)
        own = bins[mine, start + mine] - mine * BINS
        counted[mine, own] -= 1
        histogram[start : start + len(block)] = counted
        block[mine, start + mine] = -np.inf
        order = np.argsort(-block, axis=1, kind="stable")[:, :m]
        nearest[start : start + len(block)] = order
        similarity[start : start + len(block)] = np.take_along_axis(block, order, axis=1)
    return Neighbours(nearest, np.clip(similarity, -1, 1), histogram)
