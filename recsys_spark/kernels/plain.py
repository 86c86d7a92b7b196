"""Lists by scoring every pair: candidates in blocks of neighbouring indices, a tile of users at a time.

Any scorer, any CPU. The item half of a deep model is made once for each block and tile, and nothing of the size users x
candidates exists.

Selection is threshold-then-offer: a candidate is offered to a list only if its score is above the list's worst one.
Candidates come in ascending order of index, so of equal scores the lower index is already in the list and stays. Seen
candidates are set to minus infinity before that: they neither enter nor raise the threshold.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsys_spark.kernels.arrays import F32, I32, I64, read_only
from recsys_spark.kernels.head import Head, head_of
from recsys_spark.kernels.jit import jit, jit_with_arrays
from recsys_spark.kernels.lanes import (
    LANES,
    UNITS_AT_ONCE,
    accumulate,
    feed_units,
    finish_layers,
    project,
    rescale,
    start_second_layer,
    stored_rows,
)
from recsys_spark.kernels.lists import Seen, TopN, offer
from recsys_spark.kernels.score32 import Side, gather, side_of
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.kernels.segments import Closed, is_closed

USERS_PER_TILE = 64
"""Users whose lists grow together: each costs h + N floats, and shares the making of each item half."""

_LARGEST_FLOAT = np.finfo(np.float32).max
_NOTHING = np.float32(-np.inf)
_ZERO = np.float32(0)


class PackedItems(NamedTuple):
    """Candidates in blocks."""

    blocks: F32
    """f32[blocks, k_i, lanes], padded with zeros."""

    bias: F32
    """f32[blocks, lanes]; no block if there is no item bias."""

    candidates: I32
    """i32[c]."""

    position: I32
    """i32[n_items], position among the candidates, or -1."""

    members: I64
    """i64[n_items], a bit for each list that an item may enter."""


def pack(scorer: PairScorer, candidates: I32, members: I64, *, items_per_block: int = LANES) -> PackedItems:
    """Pack the candidates, i32[c] in ascending order; `members` as in `PackedItems`."""
    n_blocks = -(-len(candidates) // items_per_block)
    k_i = scorer.item.shape[1]
    rows = np.zeros((n_blocks * items_per_block, k_i), np.float32)
    rows[: len(candidates)] = scorer.item[candidates]
    bias = np.zeros((n_blocks if scorer.item_bias is not None else 0, items_per_block), np.float32)
    if scorer.item_bias is not None:
        bias.reshape(-1)[: len(candidates)] = scorer.item_bias[candidates]
    position = np.full(scorer.n_items, -1, np.int32)
    position[candidates] = np.arange(len(candidates), dtype=np.int32)
    blocks = rows.reshape(n_blocks, items_per_block, k_i).transpose(0, 2, 1)
    return PackedItems(read_only(blocks), read_only(bias), candidates, read_only(position), read_only(members))


def plain_lists(
    scorer: PairScorer,
    users: I32,
    packed: PackedItems,
    seen: Seen,
    closed: Closed,
    floor: np.float32,
    lists: TopN,
    *,
    users_per_tile: int = USERS_PER_TILE,
) -> None:
    """Fill the empty lists of some users.

    Args:
        scorer: what to compute.
        users: i32[m], user indices.
        packed: all candidates.
        seen: of these users; moved on.
        closed: of these users, by positions among the candidates.
        floor: no score below this enters a list.
        lists: of these users.
        users_per_tile: how many share a block; changes the speed, never a row.
    """
    user_side, head = side_of(scorer.user, scorer.user_bias), head_of(scorer)
    below = np.nextafter(floor, _NOTHING)
    select = _select_dots if scorer.is_dot else _select_layers
    for start in range(0, len(users), users_per_tile):
        tile = slice(start, start + users_per_tile)
        tile_seen = Seen(seen.next[tile], seen.stop[tile], seen.items)
        tile_closed = Closed(closed.bits, closed.row[tile])
        select(user_side, users[tile], packed, head, tile_seen, tile_closed, below, lists.of(tile))
    lists.scored[:] = packed.candidates.size


@jit_with_arrays
def _select_dots(
    user_side: Side,
    users: I32,
    packed: PackedItems,
    head: Head,
    seen: Seen,
    closed: Closed,
    below: np.float32,
    lists: TopN,
) -> None:
    """Fill the lists of a tile of users by dot products."""
    n_blocks, _, lanes = packed.blocks.shape
    scores = np.empty(lanes, np.float32)
    for block in range(n_blocks):
        for t in range(users.size):
            scores[:] = _ZERO
            accumulate(scores, user_side.columns[users[t]], packed.blocks[block])
            if packed.bias.size and head.item_bias_first:
                for lane in range(lanes):
                    scores[lane] += packed.bias[block, lane]
            if user_side.bias.size:
                for lane in range(lanes):
                    scores[lane] += user_side.bias[users[t]]
            if packed.bias.size and not head.item_bias_first:
                for lane in range(lanes):
                    scores[lane] += packed.bias[block, lane]
            rescale(head, scores)
            _take(scores, packed, block, t, seen, closed, below, lists)


@jit_with_arrays
def _select_layers(
    user_side: Side,
    users: I32,
    packed: PackedItems,
    head: Head,
    seen: Seen,
    closed: Closed,
    below: np.float32,
    lists: TopN,
) -> None:
    """Fill the lists of a tile of users by dense layers."""
    n_blocks, _, lanes = packed.blocks.shape
    n_units = len(head.user_weight)
    user_half = _user_halves(user_side, users, head)
    item_half = np.empty((n_units, lanes), np.float32)
    units = np.empty((UNITS_AT_ONCE, lanes), np.float32)
    sums = np.empty((stored_rows(head), lanes), np.float32)
    spare = np.empty_like(sums)
    scores = np.empty(lanes, np.float32)
    for block in range(n_blocks):
        project(head.item_weight, head.item_start, packed.blocks[block], item_half)
        for t in range(users.size):
            start_second_layer(head, sums)
            for first in range(0, n_units, UNITS_AT_ONCE):
                last = min(first + UNITS_AT_ONCE, n_units)
                feed_units(head, first, item_half[first:last], user_half[t, first:last], units, sums)
            finish_layers(head, sums, spare, scores)
            _take(scores, packed, block, t, seen, closed, below, lists)


@jit_with_arrays
def _user_halves(user_side: Side, users: I32, head: Head) -> F32:
    """The users' halves of the first layer, f32[users, h], a row for each user."""
    columns = np.empty((user_side.columns.shape[1], users.size), np.float32)
    halves = np.empty((len(head.user_weight), users.size), np.float32)
    gather(user_side.columns, users, columns)
    project(head.user_weight, head.user_start, columns, halves)
    return halves.T.copy()


@jit
def _take(
    scores: F32,
    packed: PackedItems,
    block: int,
    t: int,
    seen: Seen,
    closed: Closed,
    below: np.float32,
    lists: TopN,
) -> None:
    """Move a block's best unseen candidates into the lists of user t of the tile."""
    first = block * scores.size
    lanes = min(scores.size, packed.candidates.size - first)
    variants, n = lists.counts.size // lists.finite.size, lists.items.shape[1]
    unusable = 0
    for lane in range(lanes):
        if not abs(scores[lane]) <= _LARGEST_FLOAT and not (closed.row.size and is_closed(closed, t, first + lane)):
            unusable += 1
    if unusable or not lists.finite[t]:
        lists.finite[t] = False
        for own in range(t * variants, (t + 1) * variants):
            lists.counts[own] = 0
            lists.items[own, :] = -1
            lists.scores[own, :] = _ZERO
        return
    forgotten = False
    for v in range(variants):
        own = t * variants + v
        count, threshold, above = lists.counts[own], below, 0
        if count == n:
            threshold = max(threshold, lists.scores[own, 0])
        for lane in range(lanes):
            above += scores[lane] > threshold
        if not above:
            continue
        if not forgotten:
            _forget_seen(scores, packed, first, t, seen)
            forgotten = True
        for lane in range(lanes):
            if scores[lane] > threshold:
                item = packed.candidates[first + lane]
                if not (packed.members[item] >> v) & 1 or (closed.row.size and is_closed(closed, t, first + lane)):
                    continue
                count = offer(lists.items[own], lists.scores[own], count, item, scores[lane])
                if count == n:
                    threshold = max(below, lists.scores[own, 0])
        lists.counts[own] = count


@jit
def _forget_seen(scores: F32, packed: PackedItems, first: int, t: int, seen: Seen) -> None:
    """Set the scores of user t's seen items in this block to minus infinity."""
    k = seen.next[t]
    while k < seen.stop[t]:
        item = seen.items[k]
        lane = packed.position[item] - first if item < packed.position.size else -1
        if lane >= scores.size:
            break
        if lane >= 0:
            scores[lane] = _NOTHING
        k += 1
    seen.next[t] = k
