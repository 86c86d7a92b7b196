"""A tile of upper bounds in 8-bit arithmetic: a few users against a block of items, compared in registers.

For user p of a group and item t of a block, over words of four codes each,

    dot products:    sum = start[p] + sum_j item[j, t] . user[j, p]              item codes unsigned, user codes signed
    relu layer:      sum = start[p] + sum_j max(user[j, p], item[j, t]) . weight[j]       codes unsigned, weights signed

    bound = (sum * item_scale[t]) * user_scale[p] + item_constant[t]

and for a second relu layer with outputs o, codes and weights likewise,

    z[o]  = (sum_j max(user[j, p], item[j, t]) . weight[j, o]) * grain[o] + item_part[o, t] + user_part[p, o]
    bound = item_constant[t] + sum_o output[o] * max(z[o], 0)

A bit of a user's mask is set where bound >= threshold[p]; where one is, the bounds are stored too. Sums stay in
registers from the first word to the mask; that is what numba's own loops cannot do. Only for CPUs with
`cpu.byte_lanes()`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from recsys_spark.kernels import vectors as v
from recsys_spark.kernels.arrays import F32, I32, I64
from recsys_spark.kernels.cpu import byte_lanes

LANES = byte_lanes() or 16
VECTORS, GROUP = (4, 5) if LANES == 16 else (2, 4)
"""Vectors of items in a block, and users in a group: as many sums as there are registers for, beside the operands."""

BLOCK = LANES * VECTORS
"""Items in a block; at most 64, the bits of a mask."""


class ItemCodes(NamedTuple):
    """Items in blocks of `BLOCK`, in the order in which they are looked at."""

    words: I32
    """i32[blocks, n_words, BLOCK], four codes each."""

    scale: F32
    """f32[blocks, BLOCK]."""

    constant: F32
    """f32[blocks, BLOCK]."""

    weights: I32
    """i32[n_words], four signed codes each; empty for dot products."""


class UserCodes(NamedTuple):
    """Users in groups of `GROUP`."""

    words: I32
    """i32[groups, n_words, GROUP], four codes each."""

    scale: F32
    """f32[groups, GROUP]."""

    start: I32
    """i32[groups, GROUP]."""


OUTPUTS = 4
"""Outputs of a second layer whose sums are made together, for one user; `SecondLayer` is padded to a multiple."""


class SecondLayer(NamedTuple):
    """What a second relu layer has besides codes; of other scorers all arrays are empty."""

    weights: I32
    """i32[n_words, outputs], four signed codes each."""

    grain: F32
    """f32[outputs]."""

    output: F32
    """f32[outputs], the output's weights."""

    item_part: F32
    """f32[blocks, outputs, BLOCK]."""

    user_part: F32
    """f32[groups, GROUP, outputs]."""


def _intrinsic(*, relu: bool) -> Any:
    def emit(
        typing_context: Any, users: Any, items: Any, thresholds: Any, masks: Any, bounds: Any, group: Any, block: Any
    ) -> Any:
        signature = types.int64(users, items, thresholds, masks, bounds, types.int64, types.int64)

        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return _emit(context, builder, signature.args, arguments, relu=relu)

        return signature, code

    return intrinsic(emit)


def _emit(context: Any, b: Any, kinds: Any, arguments: Any, *, relu: bool) -> Any:
    """The code of a tile; see the module's text."""

    def parts(number: int) -> list[Any]:
        kind, value = kinds[number], arguments[number]
        return [v.start_of(context, b, k, b.extract_value(value, n)) for n, k in enumerate(kind.types)]

    user, user_scale, start = parts(0)
    item, item_scale, constant, weight = parts(1)
    threshold, masks, bounds = (v.start_of(context, b, kinds[n], arguments[n]) for n in (2, 3, 4))
    n_words = b.extract_value(v.shape_of(context, b, kinds[0].types[0], b.extract_value(arguments[0], 0)), 1)
    first_user, first_item = b.mul(arguments[5], v.index(GROUP)), b.mul(arguments[6], v.index(BLOCK))
    user, item = b.gep(user, [b.mul(first_user, n_words)]), b.gep(item, [b.mul(first_item, n_words)])
    ints, floats = ir.VectorType(v.I32, LANES), ir.VectorType(v.F32, LANES)

    def of_user(array: Any, p: int) -> Any:
        return v.spread(b, b.load(b.gep(array, [b.add(first_user, v.index(p))])), LANES)

    def of_items(array: Any, q: int) -> Any:
        return v.load(b, array, b.add(first_item, v.index(LANES * q)), floats)

    def step(j: Any, sums: Any) -> list[Any]:
        items = [v.load(b, item, b.add(b.mul(j, v.index(BLOCK)), v.index(LANES * q)), ints) for q in range(VECTORS)]
        weights = v.spread(b, b.load(b.gep(weight, [j])), LANES) if relu else None
        following = []
        for p in range(GROUP):
            own = v.spread(b, b.load(b.gep(user, [b.add(b.mul(j, v.index(GROUP)), v.index(p))])), LANES)
            for q in range(VECTORS):
                left, right = (v.larger_bytes(b, own, items[q], LANES), weights) if relu else (items[q], own)
                following.append(v.add_byte_products(b, sums[p * VECTORS + q], left, right, LANES))
        return following

    begin = [first for p in range(GROUP) for first in [of_user(start, p)] * VECTORS]
    sums = v.counted(b, n_words, begin, step)
    scales, constants = ([of_items(array, q) for q in range(VECTORS)] for array in (item_scale, constant))
    every = v.index(0)
    for p in range(GROUP):
        scale, least, mask, found = of_user(user_scale, p), of_user(threshold, p), v.index(0), []
        for q in range(VECTORS):
            scaled = b.fmul(b.sitofp(sums[p * VECTORS + q], floats), scales[q])
            found.append(v.fused(b, scaled, scale, constants[q]))
            bits = b.bitcast(b.fcmp_ordered(">=", found[q], least), ir.IntType(LANES))
            mask = b.or_(mask, b.shl(b.zext(bits, v.I64), v.index(LANES * q)))
        b.store(mask, b.gep(masks, [v.index(p)]))
        with b.if_then(b.icmp_unsigned("!=", mask, v.index(0))):
            for q in range(VECTORS):
                v.store(b, found[q], bounds, v.index(p * BLOCK + LANES * q))
        every = b.or_(every, mask)
    return every


Tile = Callable[[UserCodes, ItemCodes, F32, I64, F32, int, int], int]

dot_tile = cast(Tile, _intrinsic(relu=False))
"""(users, items, thresholds f32[groups, GROUP], masks i64[GROUP] to fill, bounds f32[GROUP, BLOCK] to fill, group,
block) -> 0 if no mask has a bit. A row of bounds is filled where the user's mask has a bit."""

relu_tile = cast(Tile, _intrinsic(relu=True))
"""The same for relu layers."""


def _two_layers(
    typing_context: Any, users: Any, items: Any, second: Any, least: Any, group: Any, p: Any, block: Any
) -> Any:
    signature = types.int64(users, items, second, types.float32, types.int64, types.int64, types.int64)

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _emit_two_layers(context, builder, signature.args, arguments)

    return signature, code


def _emit_two_layers(context: Any, b: Any, kinds: Any, arguments: Any) -> Any:
    """The code for one user and a block of items behind two layers; see the module's text."""

    def array(number: int, part: int) -> tuple[Any, Any]:
        kind, value = kinds[number].types[part], b.extract_value(arguments[number], part)
        return v.start_of(context, b, kind, value), v.shape_of(context, b, kind, value)

    group, p, block = arguments[4:]
    (user, user_shape), (item, _), (constant, _) = array(0, 0), array(1, 0), array(1, 2)
    (weight, weight_shape), (grain, _), (output, _), (item_part, _), (user_part, _) = (array(2, n) for n in range(5))
    n_words, n_outputs = b.extract_value(user_shape, 1), b.extract_value(weight_shape, 1)
    user = b.gep(user, [b.add(b.mul(b.mul(group, n_words), v.index(GROUP)), p)])
    item = b.gep(item, [b.mul(b.mul(block, n_words), v.index(BLOCK))])
    user_part = b.gep(user_part, [b.mul(b.add(b.mul(group, v.index(GROUP)), p), n_outputs)])
    item_part = b.gep(item_part, [b.mul(b.mul(block, n_outputs), v.index(BLOCK))])
    ints, floats = ir.VectorType(v.I32, LANES), ir.VectorType(v.F32, LANES)
    no_sum, zero = ir.Constant(ints, [0] * LANES), ir.Constant(floats, [0.0] * LANES)

    def some_outputs(number: Any, totals: Any) -> list[Any]:
        first = b.mul(number, v.index(OUTPUTS))

        def step(j: Any, sums: Any) -> list[Any]:
            own = v.spread(b, b.load(b.gep(user, [b.mul(j, v.index(GROUP))])), LANES)
            larger = []
            for q in range(VECTORS):
                other = v.load(b, item, b.add(b.mul(j, v.index(BLOCK)), v.index(LANES * q)), ints)
                larger.append(v.larger_bytes(b, own, other, LANES))
            row, following = b.add(b.mul(j, n_outputs), first), []
            for o in range(OUTPUTS):
                weights = v.spread(b, b.load(b.gep(weight, [b.add(row, v.index(o))])), LANES)
                for q in range(VECTORS):
                    following.append(v.add_byte_products(b, sums[o * VECTORS + q], larger[q], weights, LANES))
            return following

        sums = v.counted(b, n_words, [no_sum] * (OUTPUTS * VECTORS), step)
        for o in range(OUTPUTS):
            place = b.add(first, v.index(o))
            one, out, own = (v.spread(b, b.load(b.gep(x, [place])), LANES) for x in (grain, output, user_part))
            row, following = b.mul(place, v.index(BLOCK)), []
            for q in range(VECTORS):
                other = b.fadd(v.load(b, item_part, b.add(row, v.index(LANES * q)), floats), own)
                unit = v.fused(b, b.sitofp(sums[o * VECTORS + q], floats), one, other)
                unit = b.select(b.fcmp_ordered(">", unit, zero), unit, zero)
                following.append(v.fused(b, out, unit, totals[q]))
            totals = following
        return list(totals)

    first_item = b.mul(block, v.index(BLOCK))
    begin = [v.load(b, constant, b.add(first_item, v.index(LANES * q)), floats) for q in range(VECTORS)]
    totals = v.counted(b, b.sdiv(n_outputs, v.index(OUTPUTS)), begin, some_outputs)
    threshold, mask = v.spread(b, arguments[3], LANES), v.index(0)
    for q in range(VECTORS):
        bits = b.bitcast(b.fcmp_ordered(">=", totals[q], threshold), ir.IntType(LANES))
        mask = b.or_(mask, b.shl(b.zext(bits, v.I64), v.index(LANES * q)))
    return mask


two_layer_mask = cast(
    Callable[[UserCodes, ItemCodes, SecondLayer, np.float32, int, int, int], int], intrinsic(_two_layers)
)
"""(users, items, second layer, threshold, group, place in the group, block) -> the mask of one user."""


def _trailing_zeros(typing_context: Any, bits: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(v.BIT, 1))

    return types.int64(types.int64), code


trailing_zeros = cast(Callable[[int], int], intrinsic(_trailing_zeros))
"""How many zeros stand below the lowest bit that is set, of an integer that is not 0."""
