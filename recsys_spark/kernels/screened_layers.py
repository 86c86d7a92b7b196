"""One hidden relu layer coded for `screen`.

With a = the user's half of the layer, c = the item's half, v = -c, and w the output's weights times the scale,

    relu(a + c) = max(a, v) + c        so        score = sum_j w_j max(a_j, v_j) + sum_j w_j c_j + scale * b + offset.

The second sum belongs to the item alone. In the first one nothing below L_j = min over the candidates of v_j counts,
since max(a_j, v_j) is not below it. What lies above L_j is coded in 8 bits with the step s_j, a^_j = L_j + s_j * code,
likewise v^_j. Steps are chosen so that w_j s_j = g * W_j with whole W_j from -127 to 127 and one g for all units: the
weights have no error, and the sum is that of `tile`. Since the larger of two numbers moves no further than they do,

    |sum_j w_j max(a_j, v_j) - sum_j w_j max(a^_j, v^_j)| <= sum_j |w_j| |a_j - a^_j| + sum_j |w_j| |v_j - v^_j|,

one term of the user and one of the item, both measured, whatever the codes are. Halves are those of `score32` to
the bit; what it rounds after that is at most (h + 4) times 2^-24 of the sum of all magnitudes, which parts likewise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsys_spark.kernels.arrays import F32, F64, I32, I64, Flags, read_only
from recsys_spark.kernels.coding import CODES_IN_A_WORD, Bytes, empty_words
from recsys_spark.kernels.halves import halves_of, reach_of
from recsys_spark.kernels.head import Head, head_of
from recsys_spark.kernels.jit import jit, jit_with_arrays
from recsys_spark.kernels.lanes import project
from recsys_spark.kernels.order import Order
from recsys_spark.kernels.score32 import gather
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.kernels.screen import ScreenedItems, ScreenedUsers, users_of_layers
from recsys_spark.kernels.tile import BLOCK, GROUP, ItemCodes

LARGEST = 1e37
"""Users whose scores might reach this are not screened: something might overflow on the way."""

_ROUNDINGS = 24
_UNDERFLOW = 1e-40
_LARGEST_CODE, _LARGEST_WEIGHT = 255, 127
_NEVER = np.float32(-3e38)
_SAMPLE = 4096
"""Users and items that say how far halves reach, beside all candidates' lowest ones."""

_JUDGES = 8
"""Users whose mean score orders the items."""


class Units(NamedTuple):
    """How the hidden units are coded."""

    weight: F64
    """f64[h], the output's weights times the scale."""

    low: F64
    """f64[h], L."""

    step: F64
    """f64[h], s; of a unit with whole weight 0 it does not matter."""

    whole: I64
    """i64[h], W."""

    grain: float
    """g, a float32 number."""


class ScreenedLayer(NamedTuple):
    """How the two sides of a scorer with one hidden layer are coded."""

    units: Units
    weights: I32
    """i32[n_words], W."""

    largest_item: float
    """No item's half can add more than this to a score, without its sign."""


def fits(scorer: PairScorer) -> bool:
    """Whether this is a scorer of one hidden relu layer and a linear output."""
    return [layer.activation for layer in scorer.layers] == ["relu", "linear"] and scorer.levels is None


# what overflows here makes `screen_users` leave the users to another path
@np.errstate(over="ignore", invalid="ignore")
def layer_of(scorer: PairScorer, candidates: I32) -> ScreenedLayer:
    """How to code a scorer that `fits`, by all candidates, i32[c], at least one."""
    head = head_of(scorer)
    h = len(head.user_weight)
    lowest, highest = reach_of(scorer.item, candidates, head.item_weight, head.item_start)
    units = _units(scorer, head, lowest, highest)
    weights = np.zeros((-(-h // CODES_IN_A_WORD), CODES_IN_A_WORD), np.int8)
    weights.reshape(-1)[:h] = units.whole
    fixed = abs(scorer.scale * float(head.tail[h])) + abs(scorer.offset)
    largest = float(np.abs(units.weight) @ np.maximum(np.abs(lowest), np.abs(highest))) + fixed
    return ScreenedLayer(units, read_only(weights.view(np.int32)[:, 0]), largest)


@np.errstate(over="ignore", invalid="ignore")
def screen_items(scorer: PairScorer, layer: ScreenedLayer, order: Order, first: int, last: int) -> ScreenedItems:
    """Code the candidates of some blocks of the order, `first` to below `last`."""
    head, units, blocks = head_of(scorer), layer.units, last - first
    h, items = len(head.user_weight), order.items[first:last]
    codes, words = empty_words(blocks, h, BLOCK, 0)
    errors, magnitudes, sums = np.zeros((3, blocks * BLOCK))
    _code_items(read_only(scorer.item), items, head, units, codes, errors, magnitudes, sums)
    rounding = _roundings(h)
    bias, offset = scorer.scale * float(head.tail[h]), scorer.offset
    largest_sum = units.grain * _LARGEST_CODE * float(np.abs(units.whole).sum())
    exact = sums + float(units.weight @ units.low) + bias + offset
    magnitudes += abs(bias) + abs(offset)
    margin = errors + rounding * (magnitudes + largest_sum + np.abs(exact)) + _UNDERFLOW * (1 + abs(scorer.scale))
    highest = exact + margin
    # rounded to float32 it must not become smaller
    constant = (highest + np.abs(highest) * 2.0**-23).astype(np.float32).reshape(blocks, BLOCK)
    constant[items < 0] = _NEVER
    nothing = np.zeros(blocks)
    return ScreenedItems(
        first=first,
        codes=ItemCodes(
            read_only(words),
            read_only(np.full((blocks, BLOCK), units.grain, np.float32)),
            read_only(constant),
            layer.weights,
        ),
        norm=nothing,
        error=nothing,
        bias=nothing,
        highest=np.full(blocks, np.inf),
        rounding=rounding,
    )


@np.errstate(over="ignore", invalid="ignore")
def screen_users(scorer: PairScorer, users: I32, layer: ScreenedLayer) -> tuple[ScreenedUsers, Flags, F32]:
    """Code the users of a call.

    Args:
        scorer: the one of the items.
        users: i32[m], user indices.
        layer: how.

    Returns:
        The coded users in groups, in their order; bool[m], whose scores are far from any overflow: the others are not
        coded; and the halves of all, f32[m, h].
    """
    head = head_of(scorer)
    halves = halves_of(scorer.user, users, head.user_weight, head.user_start)
    errors, magnitudes = np.zeros((2, len(users)))
    _measure_users(halves, layer.units, errors, magnitudes)
    sound = np.isfinite(magnitudes) & (magnitudes + layer.largest_item < LARGEST)
    rows = np.flatnonzero(sound)
    groups = -(-len(rows) // GROUP)
    at = np.full((groups, GROUP), -1, np.int64)
    at.reshape(-1)[: len(rows)] = rows
    codes, words = empty_words(groups, len(head.user_weight), GROUP, 0)
    _code_users(halves, at, layer.units, codes)
    shift = np.zeros((groups, GROUP))
    shift.reshape(-1)[: len(rows)] = errors[rows] + _roundings(len(head.user_weight)) * magnitudes[rows]
    return users_of_layers(words, at, shift), sound, halves


def popular_first(scorer: PairScorer, candidates: I32) -> I32:
    """The candidates in the order in which a few users like them."""
    judges = np.linspace(0, scorer.n_users - 1, min(_JUDGES, scorer.n_users)).astype(np.int32)
    liked = np.zeros(len(candidates))
    for judge in judges:
        liked += scorer.score(np.full(len(candidates), judge, np.int32), candidates)
    ordered: I32 = candidates[np.argsort(-liked, kind="stable")]
    return ordered


def _roundings(h: int) -> float:
    return (h + _ROUNDINGS) * 2.0**-24 * 1.01


def _units(scorer: PairScorer, head: Head, lowest: F64, highest: F64) -> Units:
    h = len(head.user_weight)
    weight = scorer.scale * head.tail[:h].astype(np.float64)
    low, high = -highest, -lowest
    sample = np.linspace(0, scorer.n_users - 1, min(_SAMPLE, scorer.n_users)).astype(np.int32)
    halves = halves_of(scorer.user, sample, head.user_weight, head.user_start)
    high = np.maximum(high, halves.max(axis=0, initial=-np.inf).astype(np.float64))
    with np.errstate(over="ignore", invalid="ignore"):
        weighed = np.abs(weight) * (high - low)
        grain = np.float32(weighed.max() / (_LARGEST_CODE * _LARGEST_WEIGHT) * (1 + 1e-6))
    if not (np.isfinite(grain) and grain > 0):
        return Units(weight, low, np.ones(h), np.zeros(h, np.int64), 0.0)
    whole = np.minimum(np.ceil(weighed / (_LARGEST_CODE * float(grain))), _LARGEST_WEIGHT).astype(np.int64)
    step = np.divide(float(grain) * whole, np.abs(weight), out=np.ones(h), where=(whole > 0) & (weight != 0))
    return Units(weight, low, step, whole * np.sign(weight).astype(np.int64), float(grain))


@jit
def _code(value: float, low: float, step: float) -> float:
    """The code of a number, a whole one from 0 to 255."""
    return float(min(max(np.rint((value - low) / step), 0.0), 255.0))


@jit_with_arrays
def _code_items(
    columns: F32, items: I32, head: Head, units: Units, codes: Bytes, errors: F64, magnitudes: F64, sums: F64
) -> None:
    """Code the items' v, and measure what that changes, sum |w c|, and sum w c."""
    size, weight = items.shape[1], head.item_weight
    lanes = np.zeros((columns.shape[1], size), np.float32)
    outputs = np.empty((len(weight), size), np.float32)
    for block in range(len(items)):
        present = 0
        while present < size and items[block, present] >= 0:
            present += 1
        gather(columns, items[block, :present], lanes)
        project(weight, head.item_start, lanes, outputs)
        for j in range(len(weight)):
            w, low, step = units.weight[j], units.low[j], units.step[j]
            for t in range(present):
                half = np.float64(outputs[j, t])
                code = _code(-half, low, step) if units.whole[j] != 0 else 0.0
                codes[block, j >> 2, t, j & 3] = np.uint8(code)
                at = block * size + t
                errors[at] += abs(w) * abs(-half - (low + step * code))
                magnitudes[at] += abs(w * half)
                sums[at] += w * half


@jit
def _measure_users(halves: F32, units: Units, errors: F64, magnitudes: F64) -> None:
    """What coding changes in each user's halves, and sum |w a|."""
    for n in range(len(halves)):
        for j in range(halves.shape[1]):
            w, low, step = abs(units.weight[j]), units.low[j], units.step[j]
            half = np.float64(halves[n, j])
            magnitudes[n] += w * abs(half)
            above = max(half, low)
            code = _code(above, low, step) if units.whole[j] != 0 else 0.0
            errors[n] += w * abs(above - (low + step * code))


@jit
def _code_users(halves: F32, rows: I64, units: Units, codes: Bytes) -> None:
    """Code the users' a."""
    for group in range(len(rows)):
        for p in range(rows.shape[1]):
            if rows[group, p] < 0:
                continue
            for j in range(halves.shape[1]):
                if units.whole[j] != 0:
                    half = max(np.float64(halves[rows[group, p], j]), units.low[j])
                    codes[group, j >> 2, p, j & 3] = np.uint8(_code(half, units.low[j], units.step[j]))
