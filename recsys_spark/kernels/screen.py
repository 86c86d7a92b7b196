"""Lists by screening: an upper bound for every pair in 8-bit arithmetic, `score32` for what the bound leaves.

A pair is left out only if its bound proves that its score lies below the user's N-th one; the rest is scored by
`score32` itself. So the lists have the bits of every other path, and the bound need only be sound, never exact: it
holds for the rounding of `score32` as well. How users and items are coded is for `screened_dots` and `screened_layers`
to say; for user u and item i of a block b they promise, in exact arithmetic,

    score32(u, i) <= bound(u, i) + shift[u] + margin(group of u, b)
    margin(g, b)   = per_norm[g] * norm[b] + per_error[g] * error[b] + rounding * bias[b] + base[g]

where `bound` is what `tile` compares. Items come in the order in which good ones are likely, so that lists fill up with
high scores early; equal scores are ordered by item index at the insertion.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsys_spark.kernels.arrays import F32, F64, I32, I64, read_only
from recsys_spark.kernels.head import Head
from recsys_spark.kernels.jit import jit
from recsys_spark.kernels.lists import Seen, TopN, insert, is_seen
from recsys_spark.kernels.relu_rows import score_relu_rows
from recsys_spark.kernels.score32 import Pairs, Side, score_dots, score_layers
from recsys_spark.kernels.tile import (
    BLOCK,
    GROUP,
    ItemCodes,
    SecondLayer,
    UserCodes,
    dot_tile,
    relu_tile,
    trailing_zeros,
    two_layer_mask,
)

GROUPS_AT_ONCE = 16
"""Groups of users that go through the items together: their codes stay in the cache, a block's as well."""

PENDING = 256
"""Pairs that wait to be scored together."""

_NOTHING, _EVERYTHING = -np.inf, 1e300
_BELOW = 2.0**-23


class ScreenedItems(NamedTuple):
    """The candidates of a scorer, coded in blocks."""

    codes: ItemCodes

    items: I32
    """i32[blocks, BLOCK], item indices; -1 where a block is not full."""

    norm: F64
    """f64[blocks], the largest norm of an item's vector; 0 for layers."""

    error: F64
    """f64[blocks], the largest norm of what coding has changed in a vector; 0 for layers."""

    bias: F64
    """f64[blocks], the largest item bias, without its sign; 0 for layers."""

    highest: F64
    """f64[blocks], the largest scaled item bias: no score of the block is above highest + reach * norm, and the margin.
    Infinite for layers."""

    rounding: float
    """Of the margin."""


NO_SECOND_LAYER = SecondLayer(
    np.empty((0, 0), np.int32),
    np.empty(0, np.float32),
    np.empty(0, np.float32),
    np.empty((0, 0, 0), np.float32),
    np.empty((0, 0, 0), np.float32),
)


class ScreenedUsers(NamedTuple):
    """Users of a call, coded in groups."""

    codes: UserCodes

    rows: I64
    """i64[groups, GROUP], which user of the call; -1 where a group is not full."""

    shift: F64
    """f64[groups, GROUP]."""

    reach: F64
    """f64[groups], the largest norm of a user's scaled vector; 0 for layers."""

    per_norm: F64
    """f64[groups]."""

    per_error: F64
    """f64[groups]."""

    base: F64
    """f64[groups]."""

    second: SecondLayer
    """Of a scorer with two hidden layers, with what belongs to these users."""


def users_of_layers(words: I32, rows: I64, shift: F64, second: SecondLayer = NO_SECOND_LAYER) -> ScreenedUsers:
    """Users of a scorer with layers: all that their bounds need besides codes is `shift`."""
    nothing = np.zeros(len(rows))
    codes = UserCodes(read_only(words), np.ones(rows.shape, np.float32), np.zeros(rows.shape, np.int32))
    return ScreenedUsers(codes, rows, shift, nothing, nothing, nothing, nothing, second)


class Exact(NamedTuple):
    """What `score32` needs."""

    user_side: Side
    item_side: Side
    head: Head

    halves: F32
    """f32[m, h], one hidden layer's halves of the users of the call; empty for other scorers."""

    item_weight: F32
    """f32[k_i, h], the item's part of that layer's weights; empty likewise."""


class _Pending(NamedTuple):
    """Pairs that the bound left: of which user (position among the coded ones), and which item."""

    places: I64
    users: I32
    items: I32
    scores: F32


@jit
def screened_lists(
    exact: Exact, users: I32, coded: ScreenedUsers, items: ScreenedItems, seen: Seen, lists: TopN
) -> int:
    """Fill the lists of the coded users.

    Args:
        exact: the scorer.
        users: i32[m], user indices of the call.
        coded: some or all of them.
        items: the candidates.
        seen: of the call.
        lists: of the call, empty for these users.

    Returns:
        How many pairs went through a tile, padding among them.
    """
    n_groups, n_blocks = len(coded.rows), len(items.items)
    least = np.full((n_groups, GROUP), _NOTHING)
    begun = np.zeros((n_groups, GROUP), np.int64)
    thresholds = np.empty((n_groups, GROUP), np.float32)
    masks = np.zeros(GROUP, np.int64)
    pending_users, pending_items = np.empty(PENDING, np.int32), np.empty(PENDING, np.int32)
    pending = _Pending(np.empty(PENDING, np.int64), pending_users, pending_items, np.empty(PENDING, np.float32))
    relu, two_layers = items.codes.weights.size > 0, coded.second.output.size > 0
    tiles, waiting = 0, 0
    for first in range(0, n_groups, GROUPS_AT_ONCE):
        last = min(first + GROUPS_AT_ONCE, n_groups)
        _begin(first, last, exact, users, coded, items, seen, pending, begun, least, lists)
        for block in range(n_blocks):
            for group in range(first, last):
                if not _admit(group, block, coded, items, least, thresholds):
                    continue
                tiles += 1
                if two_layers:
                    some = 0
                    for p in range(GROUP):
                        masks[p] = two_layer_mask(
                            coded.codes, items.codes, coded.second, thresholds[group, p], group, p, block
                        )
                        some |= masks[p]
                elif relu:
                    some = relu_tile(coded.codes, items.codes, thresholds, masks, group, block)
                else:
                    some = dot_tile(coded.codes, items.codes, thresholds, masks, group, block)
                if some == 0:
                    continue
                for p in range(GROUP):
                    left = masks[p]
                    while left != 0:
                        t = trailing_zeros(left)
                        left &= left - 1
                        row, item = coded.rows[group, p], items.items[block, t]
                        if block * BLOCK + t < begun[group, p] or item < 0 or is_seen(seen, row, item):
                            continue
                        pending.places[waiting] = group * GROUP + p
                        pending.users[waiting], pending.items[waiting] = users[row], item
                        waiting += 1
                        if waiting == PENDING:
                            _score(exact, pending, waiting, coded, least, lists)
                            waiting = 0
        _score(exact, pending, waiting, coded, least, lists)
        waiting = 0
    return tiles * GROUP * BLOCK


@jit
def _begin(
    first: int,
    last: int,
    exact: Exact,
    users: I32,
    coded: ScreenedUsers,
    items: ScreenedItems,
    seen: Seen,
    pending: _Pending,
    begun: I64,
    least: F64,
    lists: TopN,
) -> None:
    """Fill the lists of some groups with the first unseen items, so that there is something to compare with.

    `begun` gets how many items are done with.
    """
    n_items, size = items.items.size, lists.items.shape[1]
    in_order = items.items.reshape(-1)
    waiting = 0
    for group in range(first, last):
        for p in range(GROUP):
            row = coded.rows[group, p]
            taken, position = 0, 0
            while row >= 0 and taken < size and position < n_items and in_order[position] >= 0:
                item = in_order[position]
                position += 1
                if is_seen(seen, row, item):
                    continue
                taken += 1
                pending.places[waiting] = group * GROUP + p
                pending.users[waiting], pending.items[waiting] = users[row], item
                waiting += 1
                if waiting == PENDING:
                    _score(exact, pending, waiting, coded, least, lists)
                    waiting = 0
            begun[group, p] = position
            if taken < size:
                # nothing is left for this user; and a place without a user asks for nothing
                begun[group, p] = items.items.size
                least[group, p] = _EVERYTHING
    _score(exact, pending, waiting, coded, least, lists)


@jit
def _admit(group: int, block: int, coded: ScreenedUsers, items: ScreenedItems, least: F64, thresholds: F32) -> bool:
    """Whether a block may hold anything for a group; if so, with the thresholds of its tile."""
    norm = items.norm[block]
    margin = coded.per_norm[group] * norm + coded.per_error[group] * items.error[block]
    margin += items.rounding * items.bias[block] + coded.base[group]
    lowest = least[group, 0]
    for p in range(1, GROUP):
        lowest = min(lowest, least[group, p])
    if lowest > items.highest[block] + coded.reach[group] * norm + margin:
        return False
    for p in range(GROUP):
        wanted = least[group, p] - margin
        # rounded to float32 it must not become larger
        thresholds[group, p] = wanted - abs(wanted) * _BELOW
    return True


@jit
def _score(exact: Exact, pending: _Pending, n: int, coded: ScreenedUsers, least: F64, lists: TopN) -> None:
    """Score what is pending, and insert it into the lists."""
    scores = pending.scores[:n]
    if exact.halves.size:
        rows = coded.rows.reshape(-1)[pending.places[:n]]
        columns = exact.item_side.columns
        score_relu_rows(exact.halves, rows, columns, pending.items[:n], exact.item_weight, exact.head, scores)
    else:
        pairs = Pairs(exact.user_side, exact.item_side, pending.users[:n], pending.items[:n])
        if exact.head.widths.size:
            score_layers(pairs, exact.head, scores)
        else:
            score_dots(pairs, exact.head, scores)
    size = lists.items.shape[1]
    for k in range(n):
        group, p = divmod(pending.places[k], GROUP)
        row = coded.rows[group, p]
        lists.scored[row] += 1
        count = lists.counts[row]
        if count == size and scores[k] < lists.scores[row, size - 1]:
            continue
        count = insert(lists.items[row], lists.scores[row], count, pending.items[k], scores[k])
        lists.counts[row] = count
        if count == size:
            least[group, p] = lists.scores[row, size - 1] - coded.shift[group, p]
