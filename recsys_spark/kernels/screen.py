"""Lists by screening: an upper bound for every pair in 8-bit arithmetic, `score32` for what the bound leaves.

A pair is left out only if its bound proves that its score lies below the user's N-th one; the rest is scored by
`score32` itself. So the lists have the bits of every other path, and the bound need only be sound, never exact: it
holds for the rounding of `score32` as well. How users and items are coded is for `screened_dots` and `screened_layers`
to say; for user u and item i of a block b they promise, in exact arithmetic,

    score32(u, i) <= bound(u, i) + shift[u] + margin(group of u, b)
    margin(g, b)   = per_norm[g] * norm[b] + per_error[g] * error[b] + rounding * bias[b] + base[g]

where `bound` is what `tile` compares; and for dot products, whose bounds have a lower side, also

    score32(u, i) >= bound(u, i) + shift[u] - margin(group of u, b).

Items come in the order in which good ones are likely, so that thresholds rise early; equal scores are ordered by item
index at the insertion.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsys_spark.kernels.arrays import F32, F64, I32, I64, read_only
from recsys_spark.kernels.jit import jit
from recsys_spark.kernels.lists import Seen, TopN
from recsys_spark.kernels.order import Order
from recsys_spark.kernels.search import (
    WHOLE_BLOCK,
    Exact,
    Search,
    begin,
    keep,
    learn,
    lowest,
    make_room,
    new_search,
    recall,
    room_of,
    seed,
    settle,
)
from recsys_spark.kernels.segments import Closed
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

_BELOW = 2.0**-23


class ScreenedItems(NamedTuple):
    """Candidates of a scorer, coded in blocks: all of them, or a part."""

    first: int
    """The block of the order where the part begins."""

    codes: ItemCodes

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


def screened_lists(
    exact: Exact,
    users: I32,
    coded: ScreenedUsers,
    items: ScreenedItems,
    order: Order,
    seen: Seen,
    closed: Closed,
    floor: np.float32,
    lists: TopN,
) -> int:
    """Fill the lists of the coded users with candidates, those of a part after those of the parts before it.

    Args:
        exact: the scorer.
        users: i32[m], user indices of the call.
        coded: some or all of them.
        items: the part.
        order: of all candidates.
        seen: of the call.
        closed: of the call, by the places of the order.
        floor: no score below this enters a list.
        lists: of the call; of these users with what the parts before have left.

    Returns:
        How many pairs went through a tile, padding among them.
    """
    n_variants = len(lists.counts) // max(len(lists.finite), 1)
    dots = not exact.head.widths.size
    search = new_search(
        GROUPS_AT_ONCE * GROUP, len(items.norm), n_variants, lists.items.shape[1], floor, own_rooms=dots
    )
    thresholds, bounds = np.empty((len(coded.rows), GROUP), np.float32), np.zeros((GROUP, BLOCK), np.float32)
    scratch = Scratch(thresholds, bounds, np.zeros(GROUP, np.int64))
    tiles: int = _fill(exact, users, coded, items, order, seen, closed, search, scratch, lists)
    return tiles * GROUP * BLOCK


class Scratch(NamedTuple):
    """Of one call."""

    thresholds: F32
    """f32[groups, GROUP]."""

    bounds: F32
    """f32[GROUP, BLOCK]."""

    masks: I64
    """i64[GROUP]."""


@jit
def _fill(
    exact: Exact,
    users: I32,
    coded: ScreenedUsers,
    items: ScreenedItems,
    order: Order,
    seen: Seen,
    closed: Closed,
    search: Search,
    scratch: Scratch,
    lists: TopN,
) -> int:
    """The work of `screened_lists`; gives the number of tiles."""
    n_groups, n_blocks = len(coded.rows), len(items.norm)
    thresholds, bounds, masks = scratch
    relu, two_layers = items.codes.weights.size > 0, coded.second.output.size > 0
    per_norm, per_error, base, reach = coded.per_norm, coded.per_error, coded.base, coded.reach
    norm, error, bias, highest = items.norm, items.error, items.bias, items.highest
    rounding, lower, kept = items.rounding, search.lower, search.kept
    done, least, any_member = search.done, search.lower.least, order.any_member[items.first :]
    dots = kept.filled.size > 1
    tiles, segmented = 0, closed.row.size > 0
    for first in range(0, n_groups, GROUPS_AT_ONCE):
        last = min(first + GROUPS_AT_ONCE, n_groups)
        _begin_groups(search, first, last, exact, users, coded, items.first, order, seen, closed, lists)
        for block in range(n_blocks):
            for group in range(first, last):
                margin = per_norm[group] * norm[block] + per_error[group] * error[block]
                margin += rounding * bias[block] + base[group]
                low = np.inf
                for p in range(GROUP):
                    wanted = lowest(least, (group - first) * GROUP + p, any_member[block])
                    low = min(low, wanted)
                    wanted -= margin
                    # rounded to float32 it must not become larger
                    thresholds[group, p] = wanted - abs(wanted) * _BELOW
                if low > highest[block] + reach[group] * norm[block] + margin:
                    continue
                if segmented and _all_done(done, (group - first) * GROUP, block):
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
                    some = relu_tile(coded.codes, items.codes, thresholds, masks, bounds, group, block)
                else:
                    some = dot_tile(coded.codes, items.codes, thresholds, masks, bounds, group, block)
                if some == 0:
                    continue
                for p in range(GROUP):
                    user = (group - first) * GROUP + p
                    left = masks[p] & ~done[user, block]
                    while left != 0:
                        t = trailing_zeros(left)
                        left &= left - 1
                        item, members = order.items[items.first + block, t], order.members[items.first + block, t]
                        bound = np.inf if two_layers else bounds[p, t] + margin
                        if bound < lowest(least, user, members):
                            continue
                        if dots:
                            learn(lower, user, members, bound - 2 * margin)
                        room = room_of(kept, user)
                        if keep(kept, room, user, item, members, bound):
                            make_room(search, room, exact, users, lists)
        for room in range(kept.filled.size):
            settle(search, room, exact, users, lists)
    return tiles


@jit
def _all_done(done: I64, first_user: int, block: int) -> bool:
    """Whether no user of a group has anything left in a block."""
    every = WHOLE_BLOCK
    for user in range(first_user, first_user + GROUP):
        every &= done[user, block]
    return bool(every == WHOLE_BLOCK)


@jit
def _begin_groups(
    search: Search,
    first: int,
    last: int,
    exact: Exact,
    users: I32,
    coded: ScreenedUsers,
    first_block: int,
    order: Order,
    seen: Seen,
    closed: Closed,
    lists: TopN,
) -> None:
    for group in range(first, last):
        for p in range(GROUP):
            user, row = (group - first) * GROUP + p, coded.rows[group, p]
            begin(search, user, row, coded.shift[group, p], order, first_block, seen, closed)
            if row >= 0 and first_block == 0:
                seed(search, user, order, exact, users, lists)
    for room in range(search.kept.filled.size):
        settle(search, room, exact, users, lists)
    for user in range((last - first) * GROUP):
        if search.rows[user] >= 0 and search.kept.filled.size > 1:
            recall(search, user, lists)
