"""`score32`: the score of a pair, in float32 with one stated order of summation.

This is *the* score. Faster paths may only prove that a pair cannot enter a list; what remains has exactly these bits,
whatever the tile, the partition and the host. With fma(a, b, c) = a * b + c rounded once, x the user's row of k_u
columns, y the item's row of k_i columns, every sum in ascending order of its index:

Dot product (no layers)

    t = 0;  for j: t = fma(x[j], y[j], t)
    t = t + user_bias[u], if there is one;  then t = t + item_bias[i], if there is one
    score = fma(t, scale, offset)

Dense layers, weights W1, W2, ..., biases b1, b2, ..., activations f1, f2, ...

    a[m] = b1[m];  for j: a[m] = fma(W1[j, m], x[j], a[m])            the user's half
    c[m] = 0;      for j: c[m] = fma(W1[k_u + j, m], y[j], c[m])      the item's half
    h[m] = f1(a[m] + c[m])
    each further layer:  z[m] = b[m];  for j: z[m] = fma(W[j, m], h[j], z[m]);  h[m] = f(z[m])
    t = h[0], or with levels, e[c] = exp(h[c] - max h):
        s = 0; for c: s = s + e[c];   w = 0; for c: w = fma(e[c], levels[c], w);   t = w / s
    score = fma(t, scale, offset)

A transposed scorer, whose users are the items of another one, has the other one's bits: there b1 and the bias that is
added first are those of the item.

exp and the activations are those of activations.py. `clip` has no part in it. An overflow gives an infinite score or a
NaN, never a silent wrong one: callers check.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from recsys_spark.errors import DataError
from recsys_spark.kernels.arrays import F32, I32, indices, read_only
from recsys_spark.kernels.fma import fma
from recsys_spark.kernels.head import Head, head_of
from recsys_spark.kernels.jit import jit, jit_with_arrays
from recsys_spark.kernels.lanes import (
    LANES,
    MINUS_ZERO,
    UNITS_AT_ONCE,
    feed_units,
    finish_layers,
    project,
    rescale,
    start_second_layer,
    stored_rows,
)

if TYPE_CHECKING:
    from recsys_spark.kernels.scorer import PairScorer

_ZERO = np.float32(0)
_NONE = np.empty(0, np.float32)


def score_pairs(scorer: PairScorer, users: I32, items: I32) -> F32:
    """Score the pairs (users[0], items[0]), (users[1], items[1]), ...

    Args:
        scorer: what to compute.
        users: i32[n], indices of users.
        items: i32[n], indices of items.

    Returns:
        f32[n], `score32` of each pair: unclipped, perhaps not finite where the arithmetic overflows.

    Raises:
        DataError: an index out of range, or arrays of unequal length.
    """
    users = indices(users, below=scorer.n_users, subject="users")
    items = indices(items, below=scorer.n_items, subject="items")
    if len(users) != len(items):
        raise DataError("items", expected=f"one for each of the {len(users)} users", found=f"{len(items)} items")
    scores = np.empty(len(users), np.float32)
    head = head_of(scorer)
    user_side = side_of(scorer.user, scorer.user_bias)
    item_side = side_of(scorer.item, scorer.item_bias)
    if scorer.is_dot:
        score_dots(Pairs(user_side, item_side, users, items), head, scores)
    else:
        score_layers(Pairs(user_side, item_side, users, items), head, scores)
    return scores


class Side(NamedTuple):
    """The users' or the items' arrays."""

    columns: F32
    """f32[n, k]."""

    bias: F32
    """f32[n]; empty if there is none."""


class Pairs(NamedTuple):
    """Both sides, and which pairs to score."""

    user_side: Side
    item_side: Side
    users: I32
    items: I32


def side_of(columns: F32, bias: F32 | None) -> Side:
    """One side of a scorer, as kernels take it."""
    return Side(read_only(columns), read_only(_NONE if bias is None else bias))


@jit
def gather(columns: F32, rows: I32, lanes: F32) -> None:
    """lanes[j, l] = columns[rows[l], j]: rows of one side, turned to lanes f32[k, >= len(rows)]."""
    for lane in range(rows.size):
        for j in range(columns.shape[1]):
            lanes[j, lane] = columns[rows[lane], j]


@jit
def score_dots(pairs: Pairs, head: Head, scores: F32) -> None:
    """Fill f32[n] with the scores of n pairs by dot products."""
    user_side, item_side = pairs.user_side, pairs.item_side
    whole = scores.size - scores.size % 4
    # four sums side by side: each step of a sum waits for the one before
    for n in range(0, whole, 4):
        u0, i0 = user_side.columns[pairs.users[n]], item_side.columns[pairs.items[n]]
        u1, i1 = user_side.columns[pairs.users[n + 1]], item_side.columns[pairs.items[n + 1]]
        u2, i2 = user_side.columns[pairs.users[n + 2]], item_side.columns[pairs.items[n + 2]]
        u3, i3 = user_side.columns[pairs.users[n + 3]], item_side.columns[pairs.items[n + 3]]
        t0 = t1 = t2 = t3 = _ZERO
        for j in range(user_side.columns.shape[1]):
            t0 = fma(u0[j], i0[j], t0)
            t1 = fma(u1[j], i1[j], t1)
            t2 = fma(u2[j], i2[j], t2)
            t3 = fma(u3[j], i3[j], t3)
        scores[n], scores[n + 1], scores[n + 2], scores[n + 3] = t0, t1, t2, t3
    for n in range(whole, scores.size):
        total = _ZERO
        for j in range(user_side.columns.shape[1]):
            total = fma(user_side.columns[pairs.users[n], j], item_side.columns[pairs.items[n], j], total)
        scores[n] = total
    for n in range(scores.size):
        if head.item_bias_first and item_side.bias.size:
            scores[n] += item_side.bias[pairs.items[n]]
        if user_side.bias.size:
            scores[n] += user_side.bias[pairs.users[n]]
        if item_side.bias.size and not head.item_bias_first:
            scores[n] += item_side.bias[pairs.items[n]]
    rescale(head, scores)


@jit_with_arrays
def score_layers(pairs: Pairs, head: Head, scores: F32) -> None:
    """Fill f32[n] with the scores of n pairs by dense layers."""
    n_units = len(head.user_weight)
    rows = stored_rows(head)
    user_lanes = np.zeros((pairs.user_side.columns.shape[1], LANES), np.float32)
    item_lanes = np.zeros((pairs.item_side.columns.shape[1], LANES), np.float32)
    user_half = np.empty((UNITS_AT_ONCE, LANES), np.float32)
    item_half = np.empty((UNITS_AT_ONCE, LANES), np.float32)
    units = np.empty((UNITS_AT_ONCE, LANES), np.float32)
    no_shifts = np.full(UNITS_AT_ONCE, MINUS_ZERO)
    sums = np.empty((rows, LANES), np.float32)
    spare = np.empty((rows, LANES), np.float32)
    block_scores = np.empty(LANES, np.float32)
    for start in range(0, scores.size, LANES):
        stop = min(start + LANES, scores.size)
        gather(pairs.user_side.columns, pairs.users[start:stop], user_lanes)
        gather(pairs.item_side.columns, pairs.items[start:stop], item_lanes)
        start_second_layer(head, sums)
        for first in range(0, n_units, UNITS_AT_ONCE):
            last = min(first + UNITS_AT_ONCE, n_units)
            project(head.user_weight[first:last], head.user_start[first:last], user_lanes, user_half)
            project(head.item_weight[first:last], head.item_start[first:last], item_lanes, item_half)
            for unit in range(last - first):
                for lane in range(LANES):
                    user_half[unit, lane] += item_half[unit, lane]
            feed_units(head, first, user_half[: last - first], no_shifts, units, sums)
        finish_layers(head, sums, spare, block_scores)
        scores[start:stop] = block_scores[: stop - start]
