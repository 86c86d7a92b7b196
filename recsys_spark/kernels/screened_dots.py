"""Dot products coded for `screen`.

With P = scale * user[u] and q = item[i], in exact arithmetic, score = P . q + scale * (user_bias + item_bias) + offset.
Both vectors are coded in 8 bits with a step of their own, p^ = s_u * codes and q^ = s_i * codes, and by Cauchy-Schwarz

    |P . q - p^ . q^| <= |P - p^| |q| + |p^| |q - q^|.

The same holds below, so that the margin serves on both sides. Items come by the most that a user of middling norm
could see in them, so that users of small norm leave out whole blocks.

`score32` differs from the exact score by at most (k + 3) roundings of 2^-24 of the sum of all magnitudes, which are
bounded by |P| |q| and the biases; `tile` adds a few. `_ROUNDINGS` of them are added on top.
"""

from __future__ import annotations

import numpy as np

from recsys_spark.kernels.arrays import F32, F64, I32, I64, Flags, read_only
from recsys_spark.kernels.coding import Bytes, empty_words
from recsys_spark.kernels.jit import jit
from recsys_spark.kernels.order import Order
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.kernels.screen import NO_SECOND_LAYER, ScreenedItems, ScreenedUsers
from recsys_spark.kernels.tile import BLOCK, GROUP, ItemCodes, UserCodes

LARGEST = 1e37
"""Users whose scores might reach this are not screened: something might overflow on the way."""

_ROUNDINGS = 24
_UNDERFLOW = 1e-40
"""More than all roundings of numbers near zero together."""

_LAST_CODE = 127
_MIDDLE = 128
"""Item codes are stored as unsigned bytes, this much larger."""

_NEVER = np.float32(-3e38)


@np.errstate(over="ignore", invalid="ignore")
def liked_first(scorer: PairScorer, candidates: I32) -> I32:
    """The candidates by the most that a user of middling norm could see in them."""
    norms = _norms(scorer.item, candidates)
    middling = abs(scorer.scale) * float(np.median(_norms(scorer.user, np.arange(min(scorer.n_users, 4096)))))
    bias = 0.0 if scorer.item_bias is None else scorer.scale * scorer.item_bias[candidates].astype(np.float64)
    liked: I32 = candidates[np.argsort(-(bias + middling * norms), kind="stable")]
    return liked


# what overflows here makes `screen_users` leave the users to another path
@np.errstate(over="ignore", invalid="ignore")
def screen_items(scorer: PairScorer, order: Order) -> ScreenedItems:
    """Code the candidates.

    Args:
        scorer: a dot product.
        order: of the candidates.
    """
    k, blocks = scorer.item.shape[1], len(order.items)
    inside = order.items.reshape(-1)
    items = inside[inside >= 0]
    bias = np.zeros(len(items)) if scorer.item_bias is None else scorer.item_bias[items].astype(np.float64)
    codes, words = empty_words(blocks, k, BLOCK, _MIDDLE)
    scale, constant = np.zeros((blocks, BLOCK), np.float32), np.full((blocks, BLOCK), _NEVER)
    error = np.zeros((blocks, BLOCK))
    _code_items(read_only(scorer.item), order.items, codes, scale, error)
    constant.reshape(-1)[: len(items)] = scorer.scale * bias
    return ScreenedItems(
        first=0,
        codes=ItemCodes(read_only(words), read_only(scale), read_only(constant), np.empty(0, np.int32)),
        norm=_largest(_norms(scorer.item, items), blocks),
        error=error.max(axis=1),
        bias=_largest(np.abs(scorer.scale * bias), blocks),
        highest=_largest(scorer.scale * bias, blocks, fill=-np.inf),
        rounding=_roundings(k),
    )


def _largest(values: F64, blocks: int, fill: float = 0.0) -> F64:
    """The largest value of each block."""
    padded = np.full(blocks * BLOCK, fill)
    padded[: len(values)] = values
    largest: F64 = padded.reshape(blocks, BLOCK).max(axis=1)
    return largest


def _roundings(k: int) -> float:
    return (k + _ROUNDINGS) * 2.0**-24 * 1.01


@np.errstate(over="ignore", invalid="ignore")
def screen_users(scorer: PairScorer, users: I32, items: ScreenedItems) -> tuple[ScreenedUsers, Flags]:
    """Code the users of a call.

    Args:
        scorer: a dot product.
        users: i32[m], user indices.
        items: all candidates.

    Returns:
        The coded users, in groups of similar norm; and bool[m], whose scores are far from any overflow. The others are
        not coded.
    """
    k, rounding = scorer.user.shape[1], _roundings(scorer.user.shape[1])
    scale, offset = scorer.scale, scorer.offset
    bias = np.zeros(len(users)) if scorer.user_bias is None else scorer.user_bias[users].astype(np.float64)
    norms = _norms(scorer.user, users)
    farthest = norms * items.norm.max(initial=0) + np.abs(bias)
    item_bias = items.bias.max(initial=0)
    sound = (farthest < LARGEST) & (abs(scale) * farthest + item_bias + abs(offset) < LARGEST)
    if scorer.item_bias is not None:
        sound &= farthest + float(np.abs(scorer.item_bias).max(initial=0)) < LARGEST
    rows = np.flatnonzero(sound)
    rows = rows[np.argsort(-norms[rows], kind="stable")]
    groups = -(-len(rows) // GROUP)
    at = np.full((groups, GROUP), -1, np.int64)
    at.reshape(-1)[: len(rows)] = rows
    codes, words = empty_words(groups, k, GROUP, 0)
    steps, start = np.zeros((groups, GROUP), np.float32), np.zeros((groups, GROUP), np.int32)
    coded_norm, error = np.zeros((groups, GROUP)), np.zeros((groups, GROUP))
    _code_users(read_only(scorer.user), users, read_only(at), scale, codes, steps, start, coded_norm, error)

    def of_rows(values: F64) -> F64:
        laid_out = np.zeros((groups, GROUP))
        laid_out.reshape(-1)[: len(rows)] = values[rows]
        return laid_out

    shift = of_rows(scale * bias + offset)
    reach, coded, errors = of_rows(abs(scale) * norms).max(axis=1), coded_norm.max(axis=1), error.max(axis=1)
    magnitude = of_rows(abs(scale) * np.abs(bias) + abs(offset)).max(axis=1)
    return ScreenedUsers(
        codes=UserCodes(read_only(words), read_only(steps), read_only(start)),
        rows=at,
        shift=shift,
        reach=reach,
        per_norm=errors + rounding * (reach + coded),
        per_error=coded * (1 + rounding),
        base=rounding * magnitude + _UNDERFLOW * (1 + abs(scale)),
        second=NO_SECOND_LAYER,
    ), sound


def _norms(columns: F32, rows: I32 | I64) -> F64:
    norms = np.empty(len(rows))
    _fill_norms(read_only(columns), read_only(rows.astype(np.int64)), norms)
    return norms


@jit
def _fill_norms(columns: F32, rows: I64, norms: F64) -> None:
    for n in range(rows.size):
        total = 0.0
        for j in range(columns.shape[1]):
            total += np.float64(columns[rows[n], j]) ** 2
        norms[n] = np.sqrt(total) * (1 + 1e-12)


@jit
def _code_items(columns: F32, items: I32, codes: Bytes, steps: F32, errors: F64) -> None:
    """Code the rows of items; `codes` are filled where there is an item."""
    blocks, size = items.shape
    for block in range(blocks):
        for t in range(size):
            item = items[block, t]
            if item < 0:
                continue
            step = _step(columns[item], 1.0)
            steps[block, t] = step
            total = 0.0
            for j in range(columns.shape[1]):
                value = np.float64(columns[item, j])
                code = _code(value, step)
                codes[block, j >> 2, t, j & 3] = np.uint8(np.int32(code) + _MIDDLE)
                total += (value - step * code) ** 2
            errors[block, t] = np.sqrt(total) * (1 + 1e-12)


@jit
def _code_users(
    columns: F32,
    users: I32,
    rows: I64,
    scale: float,
    codes: Bytes,
    steps: F32,
    start: I32,
    coded_norms: F64,
    errors: F64,
) -> None:
    """Code the scaled rows of users."""
    groups, size = rows.shape
    for group in range(groups):
        for p in range(size):
            if rows[group, p] < 0:
                continue
            user = users[rows[group, p]]
            step = _step(columns[user], abs(scale))
            steps[group, p] = step
            all_codes, squares, total = 0.0, 0.0, 0.0
            for j in range(columns.shape[1]):
                value = scale * np.float64(columns[user, j])
                code = _code(value, step)
                codes[group, j >> 2, p, j & 3] = np.uint8(np.int32(code) & 255)
                all_codes += code
                squares += (step * code) ** 2
                total += (value - step * code) ** 2
            start[group, p] = np.int32(-_MIDDLE * all_codes)
            coded_norms[group, p] = np.sqrt(squares) * (1 + 1e-12)
            errors[group, p] = np.sqrt(total) * (1 + 1e-12)


@jit
def _step(values: F32, scale: float) -> float:
    """What one code stands for: a float32 number."""
    largest = 0.0
    for j in range(values.size):
        largest = max(largest, abs(np.float64(values[j])))
    return float(np.float32(largest * scale / _LAST_CODE))


@jit
def _code(value: float, step: float) -> float:
    """The code of a number, a whole one from -127 to 127."""
    if step == 0.0:
        return 0.0
    return float(min(max(np.rint(value / step), -127.0), 127.0))
