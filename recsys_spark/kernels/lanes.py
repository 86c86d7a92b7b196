"""The steps of `score32` for a row of pairs side by side.

A *lane* is one pair of a block. Blocks are laid out f32[columns, lanes], and the innermost loop always runs over lanes:
it becomes vector instructions, while every single pair keeps the order of summation that score32.py states. What stands
in the lane beside has no influence, so blocks of any size give the same bits. Padding lanes hold anything.
"""

from __future__ import annotations

import numpy as np

from recsys_spark.kernels.activations import activate, exp
from recsys_spark.kernels.arrays import F32
from recsys_spark.kernels.fma import fma
from recsys_spark.kernels.head import Head
from recsys_spark.kernels.jit import jit, jit_with_arrays

LANES = 256
"""Pairs in a block: a multiple of every CPU's vector width; some rows of a block stay in the L1 cache."""

UNITS_AT_ONCE = 32
"""Units of the first hidden layer made and used up together, so that the layer is never stored whole."""

MINUS_ZERO = np.float32(-0.0)
"""The one number whose addition changes no bit of any other."""

_ZERO = np.float32(0)


@jit
def accumulate(sums: F32, weights: F32, columns: F32) -> None:
    """sums[l] = fma(weights[j], columns[j, l], sums[l]) for j = 0, 1, ... in this order.

    Args:
        sums: f32[lanes], changed in place.
        weights: f32[k].
        columns: f32[k, lanes].
    """
    whole = weights.size - weights.size % 4
    # four steps in one pass over the lanes: the same sums in the same order with a quarter of the loads and stores
    for j in range(0, whole, 4):
        w0, w1, w2, w3 = weights[j], weights[j + 1], weights[j + 2], weights[j + 3]
        for lane in range(sums.size):
            total = fma(w0, columns[j, lane], sums[lane])
            total = fma(w1, columns[j + 1, lane], total)
            total = fma(w2, columns[j + 2, lane], total)
            sums[lane] = fma(w3, columns[j + 3, lane], total)
    for j in range(whole, weights.size):
        weight = weights[j]
        for lane in range(sums.size):
            sums[lane] = fma(weight, columns[j, lane], sums[lane])


@jit
def project(weight: F32, bias: F32, columns: F32, outputs: F32) -> None:
    """outputs[m, l] = bias[m], then accumulated over weight[m] and the columns.

    Args:
        weight: f32[k_out, k_in].
        bias: f32[k_out]; empty for zeros.
        columns: f32[k_in, lanes].
        outputs: f32[k_out, lanes], overwritten.
    """
    for m in range(len(weight)):
        outputs[m, :] = bias[m] if bias.size else _ZERO
        accumulate(outputs[m], weight[m], columns)


@jit
def stored_rows(head: Head) -> int:
    """Rows of `sums` and `spare` that the layers need: the widest layer after the first, or the only one."""
    rows = 0
    for width in head.widths[min(1, head.widths.size - 1) :]:
        rows = max(rows, width)
    return rows


@jit
def start_second_layer(head: Head, sums: F32) -> None:
    """Fill the second layer's sums f32[>= k_out, lanes] with its bias."""
    if head.widths.size > 1:
        n_weights = head.widths[0] * head.widths[1]
        for m in range(head.widths[1]):
            sums[m, :] = head.tail[n_weights + m]


@jit
def feed_units(head: Head, first_unit: int, halves: F32, shifts: F32, units: F32, sums: F32) -> None:
    """Make some units of the first layer and add them to the second layer's sums.

    Args:
        head: the head, with at least one layer.
        first_unit: number of the first of these units.
        halves: f32[n, lanes]; the units' inputs are halves[m, l] + shifts[m].
        shifts: f32[>= n].
        units: f32[>= n, lanes], overwritten.
        sums: f32[>= k_out, lanes], the second layer's sums, changed in place; the units themselves if there is only
            one layer.
    """
    n = len(halves)
    if head.widths.size == 1:
        activate(head.activations[0], halves, shifts, sums[first_unit : first_unit + n])
    else:
        activate(head.activations[0], halves, shifts, units[:n])
        k_in, k_out = head.widths[0], head.widths[1]
        weight = head.tail[: k_in * k_out].reshape((k_out, k_in))
        for m in range(k_out):
            accumulate(sums[m], weight[m, first_unit : first_unit + n], units[:n])


@jit_with_arrays
def finish_layers(head: Head, sums: F32, spare: F32, scores: F32) -> None:
    """From the second layer's sums to scores.

    Args:
        head: the head, with at least one layer.
        sums: what `feed_units` left; overwritten.
        spare: f32, shape of sums; overwritten.
        scores: f32[lanes], overwritten.
    """
    no_shifts = np.full(len(sums), MINUS_ZERO)
    position = 0
    for layer in range(1, head.widths.size):
        k_in, k_out = head.widths[layer - 1], head.widths[layer]
        if layer > 1:
            weight = head.tail[position : position + k_in * k_out].reshape((k_out, k_in))
            bias = head.tail[position + k_in * k_out : position + k_in * k_out + k_out]
            project(weight, bias, sums, spare)
            sums, spare = spare, sums
        activate(head.activations[layer], sums[:k_out], no_shifts, spare)
        sums, spare = spare, sums
        position += (k_in + 1) * k_out
    if head.levels.size:
        expected_level(sums[: head.levels.size], head.levels, scores)
    else:
        for lane in range(scores.size):
            scores[lane] = sums[0, lane]
    rescale(head, scores)


@jit
def expected_level(logits: F32, levels: F32, scores: F32) -> None:
    """scores[l] = sum_c e_c * levels[c] / sum_c e_c with e_c = exp(logits[c, l] - max_c logits[c, l]).

    Args:
        logits: f32[c, lanes], overwritten.
        levels: f32[c].
        scores: f32[lanes], overwritten.
    """
    for lane in range(scores.size):
        scores[lane] = logits[0, lane]
    for c in range(1, levels.size):
        for lane in range(scores.size):
            scores[lane] = logits[c, lane] if logits[c, lane] > scores[lane] else scores[lane]
    for c in range(levels.size):
        for lane in range(scores.size):
            logits[c, lane] = exp(logits[c, lane] - scores[lane])
    scores[:] = _ZERO
    for c in range(levels.size):
        for lane in range(scores.size):
            scores[lane] += logits[c, lane]
    weighted = logits[0]
    for lane in range(scores.size):
        weighted[lane] = fma(levels[0], weighted[lane], _ZERO)
    accumulate(weighted, levels[1:], logits[1:])
    for lane in range(scores.size):
        scores[lane] = weighted[lane] / scores[lane]


@jit
def rescale(head: Head, scores: F32) -> None:
    """score = fma(score, scale, offset)."""
    for lane in range(scores.size):
        scores[lane] = fma(scores[lane], head.scale, head.offset)
