"""Two hidden relu layers coded for `screen`.

As in `screened_layers`, with W the second layer's weights, L and the codes of a and v = -c as there,

    z[o] = sum_j W[j, o] max(a_j, v_j) + sum_j W[j, o] c_j + b[o],        score = sum_o w_o relu(z[o]) + constant,

w being the output's weights times the scale. Now one step s_j serves many outputs, so weights are rounded as well:
W[j, o] s_j = g_o W8[j, o] + D[j, o] with whole W8 from -127 to 127. With q_j = max of both codes and any m_j,

    sum_j W[j, o] s_j q_j = g_o sum_j W8[j, o] q_j + sum_j D[j, o] m_j + sum_j D[j, o] (q_j - m_j),

where the last sum is at most |D[:, o]| |q - m|, and |q - m|^2 <= x^2 + y^2 with x and y the norms of the user's and of
the item's codes less m, since q_j is one of both. For any t, sqrt(x^2 + y^2) <= x^2 / 2t + y^2 / 2t + t / 2, with
equality at t^2 = x^2 + y^2: one term of the user and one of the item. The codes' own error in z[o] parts as it does for
one layer. All of them are added to z[o] where w_o is positive and taken from it where w_o is negative, which makes
sum_o w_o relu(z[o]) an upper bound.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsys_spark.kernels.arrays import F32, F64, I32, Flags, read_only
from recsys_spark.kernels.coding import CODES_IN_A_WORD, empty_words
from recsys_spark.kernels.halves import halves_of, reach_of
from recsys_spark.kernels.head import Head, head_of
from recsys_spark.kernels.order import Order
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.kernels.screen import NO_SECOND_LAYER, ScreenedItems, ScreenedUsers, users_of_layers
from recsys_spark.kernels.screened_layers import LARGEST
from recsys_spark.kernels.tile import BLOCK, GROUP, OUTPUTS, ItemCodes, SecondLayer

_ROUNDINGS = 48
_UNDERFLOW = 1e-40
_LARGEST_CODE, _LARGEST_WEIGHT = 255, 127
_NEVER = np.float32(-3e38)
_SAMPLE, _ROWS_AT_ONCE = 2048, 4096


class Coding(NamedTuple):
    """How both sides are coded."""

    low: F64
    """f64[h1], L."""

    step: F64
    """f64[h1], s."""

    middle: F64
    """f64[h1], m."""

    weight: F64
    """f64[h1, h2], W."""

    residual: F64
    """f64[h1, h2], D."""

    output: F64
    """f64[h2], w."""

    tangent: float
    """t."""

    rounding: float
    """What float32 may lose of the sum of all magnitudes."""

    def codes(self, values: F64) -> F64:
        """The codes of f64[n, h1], whole numbers from 0 to 255."""
        return np.clip(np.rint((values - self.low) / self.step), 0, _LARGEST_CODE)

    def parts(self, values: F64, codes: F64) -> F64:
        """What rows of one side add to z at most, towards a higher score: f64[n, h2]."""
        moved = np.abs(values - (self.low + self.step * codes)) @ np.abs(self.weight)
        distance = ((codes - self.middle) ** 2).sum(axis=1, keepdims=True) / (2 * self.tangent)
        errors: F64 = np.sign(self.output) * (moved + distance * np.linalg.norm(self.residual, axis=0))
        return errors

    def magnitudes(self, halves: F64) -> F64:
        """sum_o |w_o| sum_j |W[j, o]| |half_j| of rows, f64[n]."""
        sums: F64 = np.abs(halves) @ (np.abs(self.weight) @ np.abs(self.output))
        return sums


class ScreenedTwoLayers(NamedTuple):
    """How the two sides of a scorer with two hidden layers are coded."""

    coding: Coding
    second: SecondLayer
    """Without what belongs to items and users."""

    whole: F64
    """f64[h1, h2], W8."""

    largest_item: float
    """No item's half can add more than this to a score, without its sign."""


def fits(scorer: PairScorer) -> bool:
    """Whether this is a scorer of two hidden relu layers and a linear output."""
    return [layer.activation for layer in scorer.layers] == ["relu", "relu", "linear"] and scorer.levels is None


# what overflows here makes `screen_users` leave the users to another path
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def layers_of(scorer: PairScorer, candidates: I32) -> ScreenedTwoLayers:
    """How to code a scorer that `fits`, by all candidates, i32[c], at least one."""
    head = head_of(scorer)
    lowest, highest = reach_of(scorer.item, candidates, head.item_weight, head.item_start)
    coding, whole, grain = _coding(scorer, head, candidates, lowest, highest)
    h1, h2 = coding.weight.shape
    outputs, n_words = h2 + -h2 % OUTPUTS, -(-h1 // CODES_IN_A_WORD)
    second = SecondLayer(
        weights=_packed_weights(whole, n_words, outputs),
        grain=_padded(grain, outputs),
        output=_padded(coding.output, outputs),
        item_part=NO_SECOND_LAYER.item_part,
        user_part=NO_SECOND_LAYER.user_part,
    )
    layers = ScreenedTwoLayers(coding, second, whole, 0.0)
    farthest = np.maximum(np.abs(lowest), np.abs(highest))[None]
    # no part of an item is larger than the sum of the largest of what it is made of
    moved = coding.step @ np.abs(coding.weight)
    distance = h1 * _LARGEST_CODE**2 / (2 * coding.tangent) * np.linalg.norm(coding.residual, axis=0)
    parts = np.abs(_own_part(scorer, coding)) + farthest[0] @ np.abs(coding.weight) + moved + distance
    largest = float(coding.magnitudes(farthest)[0] + parts @ np.abs(coding.output)) + _fixed_magnitude(scorer, layers)
    return layers._replace(largest_item=largest)


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def screen_items(
    scorer: PairScorer, layers: ScreenedTwoLayers, order: Order, first: int, last: int
) -> tuple[ScreenedItems, SecondLayer]:
    """Code the candidates of some blocks of the order, `first` to below `last`; with what belongs to these items."""
    head, coding, blocks = head_of(scorer), layers.coding, last - first
    h1, h2 = coding.weight.shape
    in_order = order.items[first:last].reshape(-1)
    items = in_order[in_order >= 0]
    codes, words = empty_words(blocks, h1, BLOCK, 0)
    outputs = layers.second.output.size
    item_part, constant = np.zeros((blocks, outputs, BLOCK), np.float32), np.full(blocks * BLOCK, _NEVER)
    own, fixed = _own_part(scorer, coding), _fixed_magnitude(scorer, layers)
    bias = scorer.scale * float(scorer.layers[2].bias[0])
    for start in range(0, len(items), _ROWS_AT_ONCE):
        rows = items[start : start + _ROWS_AT_ONCE]
        halves = halves_of(scorer.item, rows, head.item_weight, head.item_start).astype(np.float64)
        found = coding.codes(-halves)
        parts = own + halves @ coding.weight + coding.parts(-halves, found)
        magnitudes = coding.magnitudes(halves) + np.abs(parts) @ np.abs(coding.output) + fixed
        bound = bias + scorer.offset + coding.rounding * magnitudes + _UNDERFLOW * (1 + abs(scorer.scale))
        at = np.arange(start, start + len(rows))
        block, place = at // BLOCK, at % BLOCK
        for j in range(h1):
            codes[block, j // CODES_IN_A_WORD, place, j % CODES_IN_A_WORD] = found[:, j]
        for o in range(h2):
            item_part[block, o, place] = parts[:, o]
        # rounded to float32 it must not become smaller
        constant[at] = bound + np.abs(bound) * 2.0**-23
    second = layers.second._replace(item_part=read_only(item_part))
    return _screened(first, words, constant.reshape(blocks, BLOCK)), second


def _own_part(scorer: PairScorer, coding: Coding) -> F64:
    """What stands in every z, f64[h2]."""
    own = coding.low @ coding.weight + scorer.layers[1].bias + coding.middle @ coding.residual
    own += np.sign(coding.output) * (coding.tangent / 2) * np.linalg.norm(coding.residual, axis=0)
    return np.asarray(own, np.float64)


def _fixed_magnitude(scorer: PairScorer, layers: ScreenedTwoLayers) -> float:
    """What every pair adds to the sum of all magnitudes."""
    output, grain = np.abs(layers.coding.output), layers.second.grain[: len(layers.coding.output)].astype(np.float64)
    largest_sum = float(grain @ (output * np.abs(layers.whole).sum(axis=0))) * _LARGEST_CODE
    fixed = abs(scorer.scale * float(scorer.layers[2].bias[0])) + abs(scorer.offset)
    return largest_sum + fixed + float(output @ np.abs(scorer.layers[1].bias))


@np.errstate(over="ignore", invalid="ignore")
def screen_users(scorer: PairScorer, users: I32, layers: ScreenedTwoLayers) -> tuple[ScreenedUsers, Flags]:
    """Code the users of a call.

    Args:
        scorer: the one of the items.
        users: i32[m], user indices.
        layers: how.

    Returns:
        The coded users in groups, in their order; and bool[m], whose scores are far from any overflow. The others are
        not coded.
    """
    head, coding = head_of(scorer), layers.coding
    halves = halves_of(scorer.user, users, head.user_weight, head.user_start).astype(np.float64)
    # the items' values are not below L, so that nothing below it counts
    above = np.maximum(halves, coding.low)
    found = coding.codes(above)
    parts = coding.parts(above, found)
    magnitudes = coding.magnitudes(halves) + np.abs(parts) @ np.abs(coding.output)
    sound = np.isfinite(magnitudes) & (magnitudes + layers.largest_item < LARGEST)
    rows = np.flatnonzero(sound)
    groups, outputs = -(-len(rows) // GROUP), layers.second.output.size
    at = np.full((groups, GROUP), -1, np.int64)
    at.reshape(-1)[: len(rows)] = rows
    group, place = np.divmod(np.arange(len(rows)), GROUP)
    codes, words = empty_words(groups, halves.shape[1], GROUP, 0)
    for j in range(halves.shape[1]):
        codes[group, j // CODES_IN_A_WORD, place, j % CODES_IN_A_WORD] = found[rows, j]
    user_part = np.zeros((groups, GROUP, outputs), np.float32)
    user_part[group, place, : parts.shape[1]] = parts[rows]
    shift = np.zeros((groups, GROUP))
    shift[group, place] = coding.rounding * magnitudes[rows]
    second = layers.second._replace(user_part=read_only(user_part))
    return users_of_layers(words, at, shift, second), sound


def _coding(scorer: PairScorer, head: Head, candidates: I32, lowest: F64, highest: F64) -> tuple[Coding, F64, F32]:
    """How to code; with it W8 f64[h1, h2] and g f32[h2]."""
    weight = scorer.layers[1].weight.astype(np.float64)
    h1, h2 = weight.shape
    users = np.linspace(0, scorer.n_users - 1, min(_SAMPLE, scorer.n_users)).astype(np.int32)
    a = halves_of(scorer.user, users, head.user_weight, head.user_start).astype(np.float64)
    low, high = -highest, np.maximum(-lowest, a.max(axis=0))
    step = (high - low) / _LARGEST_CODE
    step[~(step > 0)] = 1.0
    scaled = weight * step[:, None]
    grain = (np.abs(scaled).max(axis=0) / _LARGEST_WEIGHT * (1 + 1e-6)).astype(np.float32)
    whole = np.divide(scaled, grain, out=np.zeros((h1, h2)), where=grain > 0)
    whole = np.clip(np.rint(whole), -_LARGEST_WEIGHT, _LARGEST_WEIGHT)
    rounding = (h1 + h2 + scorer.user.shape[1] + scorer.item.shape[1] + _ROUNDINGS) * 2.0**-24 * 1.01
    residual = scaled - whole * grain.astype(np.float64)
    output = scorer.scale * scorer.layers[2].weight[:, 0].astype(np.float64)
    coding = Coding(low, step, np.zeros(h1), weight, residual, output, 1.0, rounding)
    some = candidates[np.linspace(0, len(candidates) - 1, min(_SAMPLE, len(candidates))).astype(np.int64)]
    v = -halves_of(scorer.item, some, head.item_weight, head.item_start).astype(np.float64)
    by_user, by_item = coding.codes(np.maximum(a, low)), coding.codes(v)
    n = min(len(by_user), len(by_item))
    middle = np.maximum(by_user[:n], by_item[:n]).mean(axis=0)
    far = sum(float(((codes - middle) ** 2).sum(axis=1).mean()) for codes in (by_user, by_item))
    return coding._replace(middle=middle, tangent=max(far, 1.0) ** 0.5), whole, grain


def _screened(first: int, words: I32, constant: F32) -> ScreenedItems:
    nothing, blocks = np.zeros(len(words)), len(words)
    ones = np.ones((blocks, BLOCK), np.float32)
    return ScreenedItems(
        first=first,
        codes=ItemCodes(read_only(words), read_only(ones), read_only(constant), np.empty(0, np.int32)),
        norm=nothing,
        error=nothing,
        bias=nothing,
        highest=np.full(blocks, np.inf),
        rounding=0.0,
    )


def _packed_weights(whole: F64, n_words: int, outputs: int) -> I32:
    """W8 as i32[n_words, outputs]."""
    packed = np.zeros((n_words, outputs, CODES_IN_A_WORD), np.int8)
    for j in range(len(whole)):
        packed[j // CODES_IN_A_WORD, : whole.shape[1], j % CODES_IN_A_WORD] = whole[j]
    return read_only(packed.view(np.int32)[..., 0])


def _padded(values: F64 | F32, size: int) -> F32:
    padded = np.zeros(size, np.float32)
    padded[: len(values)] = values
    return read_only(padded)
