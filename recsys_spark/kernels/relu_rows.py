"""`score32` for one hidden relu layer, pair by pair, where the user's half is there already.

The bits are those of `score_layers`: the same sums in the same order. There a register holds one unit of many pairs,
here many units of one pair, since pairs come as a bound has left them. Only the output's sum over the units, whose
order is fixed, cannot be spread over a register; so the sums of several pairs run side by side.

Only for CPUs with `cpu.byte_lanes()`, like the bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from recsys_spark.kernels import vectors as v
from recsys_spark.kernels.arrays import F32, I32, I64, read_only
from recsys_spark.kernels.fma import fma
from recsys_spark.kernels.head import Head
from recsys_spark.kernels.jit import jit_with_arrays
from recsys_spark.kernels.lanes import rescale
from recsys_spark.kernels.tile import LANES

_VECTORS = 4
_UNITS_AT_ONCE = LANES * _VECTORS

_PAIRS_AT_ONCE = 8


def padded_units(columns: F32) -> F32:
    """f32[n, h] with so many zero columns more that `score_relu_rows` can take whole registers of them."""
    return read_only(np.pad(columns, ((0, 0), (0, -columns.shape[1] % _UNITS_AT_ONCE))))


@jit_with_arrays
def score_relu_rows(
    halves: F32, rows: I64, columns: F32, items: I32, item_weight: F32, item_start: F32, head: Head, scores: F32
) -> None:
    """Score n pairs.

    Args:
        halves: f32[m, h], users' halves of the layer, padded.
        rows: i64[n], which of them.
        columns: f32[n_items, k_i], k_i at least 1.
        items: i32[n], which of them.
        item_weight: f32[k_i, h], the item's part of the layer's weights, padded.
        item_start: f32[h], what the items' halves begin with, padded.
        head: one hidden relu layer and a linear output.
        scores: f32[n], overwritten.
    """
    h = head.widths[0]
    units = np.zeros((_PAIRS_AT_ONCE, halves.shape[1]), np.float32)
    weight = head.tail[:h]
    for first in range(0, scores.size, _PAIRS_AT_ONCE):
        n = min(_PAIRS_AT_ONCE, scores.size - first)
        for p in range(n):
            fill_units(halves[rows[first + p]], columns[items[first + p]], item_weight, item_start, units[p])
        t0 = t1 = t2 = t3 = t4 = t5 = t6 = t7 = np.float32(head.tail[h])
        for j in range(h):
            t0 = fma(weight[j], units[0, j], t0)
            t1 = fma(weight[j], units[1, j], t1)
            t2 = fma(weight[j], units[2, j], t2)
            t3 = fma(weight[j], units[3, j], t3)
            t4 = fma(weight[j], units[4, j], t4)
            t5 = fma(weight[j], units[5, j], t5)
            t6 = fma(weight[j], units[6, j], t6)
            t7 = fma(weight[j], units[7, j], t7)
        for p, total in enumerate((t0, t1, t2, t3, t4, t5, t6, t7)):
            if p < n:
                scores[first + p] = total
    rescale(head, scores)


def _fill_units(typing_context: Any, half: Any, columns: Any, item_weight: Any, start: Any, units: Any) -> Any:
    def code(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        pointers = [v.start_of(context, b, kind, array) for kind, array in zip(signature.args, arguments, strict=True)]
        shapes = [v.shape_of(context, b, kind, array) for kind, array in zip(signature.args, arguments, strict=True)]
        own, column, weight, begin, unit = pointers
        n_columns, n_units = b.extract_value(shapes[1], 0), b.extract_value(shapes[4], 0)
        floats = ir.VectorType(v.F32, LANES)
        zero = ir.Constant(floats, [0.0] * LANES)

        def some_units(number: Any, _: Any) -> list[Any]:
            first = b.mul(number, v.index(_UNITS_AT_ONCE))
            places = [b.add(first, v.index(LANES * q)) for q in range(_VECTORS)]

            def add_column(j: Any, sums: Any) -> list[Any]:
                value, row = v.spread(b, b.load(b.gep(column, [j])), LANES), b.mul(j, n_units)
                loaded = [v.load(b, weight, b.add(row, place), floats) for place in places]
                return [v.fused(b, value, w, total) for w, total in zip(loaded, sums, strict=True)]

            starts = [v.load(b, begin, place, floats) for place in places]
            for place, total in zip(places, v.counted(b, n_columns, starts, add_column), strict=True):
                both = b.fadd(v.load(b, own, place, floats), total)
                v.store(b, b.select(b.fcmp_ordered("<", both, zero), zero, both), unit, place)
            return []

        v.counted(b, b.sdiv(n_units, v.index(_UNITS_AT_ONCE)), [], some_units)
        return context.get_dummy_value()

    return types.void(half, columns, item_weight, start, units), code


fill_units = cast(Callable[[F32, F32, F32, F32, F32], None], intrinsic(_fill_units))
"""(half f32[h], columns f32[k_i], item_weight f32[k_i, h], start f32[h], units f32[h]):
units = relu(half + (start + columns @ item_weight)).

Each unit's sum is in the order of the columns; h is a multiple of `_UNITS_AT_ONCE`, k_i at least 1."""
