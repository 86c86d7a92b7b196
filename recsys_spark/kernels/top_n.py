"""The best N unseen candidates of each user, exactly.

For every user and candidate the score is `score32` to the bit; the list is ordered by score descending, then by item
index ascending. Candidates are packed once into blocks f32[k_i, lanes] of neighbouring indices; users are taken a tile
at a time, so that the item half of a deep model is made once for each block and tile, and nothing of the size users x
candidates exists.

Selection is threshold-then-insert: a candidate enters a user's list only if its score is above the list's last one.
Candidates come in ascending order of index, so of equal scores the lower index is already in the list and stays. Seen
candidates are set to minus infinity before that: they neither enter nor raise the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recsys_spark.errors import DataError
from recsys_spark.kernels.arrays import F32, I32, I64, Flags, indices, read_only
from recsys_spark.kernels.head import Head, head_of
from recsys_spark.kernels.jit import jit
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
from recsys_spark.kernels.score32 import Side, gather, side_of
from recsys_spark.kernels.scorer import PairScorer

USERS_PER_TILE = 64
"""Users whose lists grow together: each costs h + N floats, and shares the making of each item half."""

_LARGEST_FLOAT = np.finfo(np.float32).max
_NOTHING = np.float32(-np.inf)
_ZERO = np.float32(0)


class TopN(NamedTuple):
    """The lists of m users; positions from `counts` on hold item -1 and score 0."""

    items: I32
    """i32[m, n], item indices, best first."""

    scores: F32
    """f32[m, n], `score32` of these items: unclipped."""

    counts: I32
    """i32[m], entries of each list: n, or fewer if fewer candidates are unseen."""

    finite: Flags
    """bool[m]; false if a candidate's score, seen or not, is infinite or NaN. Such a user's list is empty."""


def top_n(scorer: PairScorer, users: I32, *, candidates: I32, seen_offsets: I64, seen_items: I32, n: int) -> TopN:
    """Prepare the candidates and make the lists of some users; see `prepare` and `PreparedItems.top_n`."""
    return prepare(scorer, candidates).top_n(users, seen_offsets=seen_offsets, seen_items=seen_items, n=n)


def prepare(
    scorer: PairScorer, candidates: I32, *, items_per_block: int = LANES, users_per_tile: int = USERS_PER_TILE
) -> PreparedItems:
    """Pack the candidates of a scorer, once for any number of calls.

    Args:
        scorer: what to compute.
        candidates: i32[c], indices of the items that may be recommended, strictly ascending; may be empty.
        items_per_block: how many are scored side by side; changes the speed, never a row.
        users_per_tile: how many users share a block; changes the speed, never a row.

    Raises:
        DataError: an index out of range, or not in strictly ascending order.
    """
    candidates = indices(candidates, below=scorer.n_items, subject="candidates")
    descents = np.flatnonzero(candidates[1:] <= candidates[:-1])
    if descents.size:
        raise DataError(
            "candidates",
            expected="item indices in strictly ascending order",
            found=f"{candidates[descents[0] + 1]} after {candidates[descents[0]]}",
        )
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
    return PreparedItems(
        scorer=scorer,
        packed=_Packed(read_only(blocks), read_only(bias), candidates, read_only(position)),
        users_per_tile=users_per_tile,
    )


class _Packed(NamedTuple):
    """Candidates as the kernel reads them."""

    blocks: F32
    """f32[blocks, k_i, lanes], padded with zeros."""

    bias: F32
    """f32[blocks, lanes]; no block if there is no item bias."""

    candidates: I32
    """i32[c]."""

    position: I32
    """i32[n_items], position among the candidates, or -1."""


class _Seen(NamedTuple):
    """Seen lists of the users of a call."""

    next: I64
    """i64[m], where in `items` each user's unmet seen items begin; moves on as blocks go by."""

    stop: I64
    """i64[m], where they end."""

    items: I32


@dataclass(frozen=True, eq=False)
class PreparedItems:
    """The item side of a scorer, packed for one set of candidates; made by `prepare`."""

    scorer: PairScorer
    packed: _Packed
    users_per_tile: int

    def top_n(self, users: I32, *, seen_offsets: I64, seen_items: I32, n: int) -> TopN:
        """The best n unseen candidates of each user.

        Args:
            users: i32[m], indices of users.
            seen_offsets: i64[m + 1], where each user's seen items begin and end.
            seen_items: i32[...], for each user ascending item indices. Duplicates and items that are no candidates, or
                unknown to the scorer, do no harm.
            n: entries wanted, at least 1; may exceed the candidates.

        Returns:
            One list for each user, in the order of `users`.

        Raises:
            DataError: an index out of range, seen lists that do not fit the users or are not ascending, n below 1.
        """
        if n < 1:
            raise DataError("top_n: n", expected="at least 1", found=str(n))
        users = indices(users, below=self.scorer.n_users, subject="users")
        seen = _checked_seen(seen_offsets, seen_items, n_users=len(users))
        shape = (len(users), n)
        lists = TopN(
            items=np.full(shape, -1, np.int32),
            scores=np.zeros(shape, np.float32),
            counts=np.zeros(len(users), np.int32),
            finite=np.ones(len(users), np.bool_),
        )
        user_side = side_of(self.scorer.user, self.scorer.user_bias)
        head = head_of(self.scorer)
        select = _select_dots if self.scorer.is_dot else _select_layers
        for start in range(0, len(users), self.users_per_tile):
            tile = slice(start, start + self.users_per_tile)
            tile_seen = _Seen(seen.next[tile], seen.stop[tile], seen.items)
            tile_lists = TopN(lists.items[tile], lists.scores[tile], lists.counts[tile], lists.finite[tile])
            select(user_side, users[tile], self.packed, head, tile_seen, tile_lists)
        return lists


def _checked_seen(offsets: I64, items: I32, *, n_users: int) -> _Seen:
    items = indices(items, below=2**31, subject="seen_items")
    offsets = np.asarray(offsets)
    if offsets.shape != (n_users + 1,) or offsets.dtype.kind not in "iu":
        raise DataError(
            "seen_offsets",
            expected=f"{n_users + 1} integers, one more than users",
            found=f"{offsets.dtype} of shape {offsets.shape}",
        )
    offsets = offsets.astype(np.int64)
    if offsets[0] < 0 or offsets[-1] > len(items) or (offsets[1:] < offsets[:-1]).any():
        raise DataError("seen_offsets", expected=f"offsets from 0 to {len(items)} that do not descend", found="others")
    descents = np.flatnonzero(items[1:] < items[:-1]) + 1
    inside = descents[(descents > offsets[0]) & (descents < offsets[-1]) & ~np.isin(descents, offsets)]
    if inside.size:
        raise DataError(
            "seen_items",
            expected="each user's items in ascending order",
            found=f"{items[inside[0]]} after {items[inside[0] - 1]} at position {inside[0]}",
        )
    return _Seen(next=offsets[:-1].copy(), stop=read_only(offsets[1:]), items=items)


@jit
def _select_dots(user_side: Side, users: I32, packed: _Packed, head: Head, seen: _Seen, lists: TopN) -> None:
    """Fill the lists of a tile of users by dot products."""
    n_blocks, _, lanes = packed.blocks.shape
    scores = np.empty(lanes, np.float32)
    for block in range(n_blocks):
        for t in range(users.size):
            scores[:] = _ZERO
            accumulate(scores, user_side.columns[users[t]], packed.blocks[block])
            if user_side.bias.size:
                for lane in range(lanes):
                    scores[lane] += user_side.bias[users[t]]
            if packed.bias.size:
                for lane in range(lanes):
                    scores[lane] += packed.bias[block, lane]
            rescale(head, scores)
            _take(scores, packed, block, t, seen, lists)


@jit
def _select_layers(user_side: Side, users: I32, packed: _Packed, head: Head, seen: _Seen, lists: TopN) -> None:
    """Fill the lists of a tile of users by dense layers."""
    n_blocks, _, lanes = packed.blocks.shape
    n_units = len(head.first_bias)
    user_half = _user_halves(user_side, users, head)
    item_half = np.empty((n_units, lanes), np.float32)
    units = np.empty((UNITS_AT_ONCE, lanes), np.float32)
    sums = np.empty((stored_rows(head), lanes), np.float32)
    spare = np.empty_like(sums)
    scores = np.empty(lanes, np.float32)
    for block in range(n_blocks):
        project(head.item_weight, head.first_bias[:0], packed.blocks[block], item_half)
        for t in range(users.size):
            start_second_layer(head, sums)
            for first in range(0, n_units, UNITS_AT_ONCE):
                last = min(first + UNITS_AT_ONCE, n_units)
                feed_units(head, first, item_half[first:last], user_half[t, first:last], units, sums)
            finish_layers(head, sums, spare, scores)
            _take(scores, packed, block, t, seen, lists)


@jit
def _user_halves(user_side: Side, users: I32, head: Head) -> F32:
    """The users' halves of the first layer, f32[users, h], a row for each user."""
    columns = np.empty((user_side.columns.shape[1], users.size), np.float32)
    halves = np.empty((len(head.first_bias), users.size), np.float32)
    gather(user_side.columns, users, columns)
    project(head.user_weight, head.first_bias, columns, halves)
    return halves.T.copy()


@jit
def _take(scores: F32, packed: _Packed, block: int, t: int, seen: _Seen, lists: TopN) -> None:
    """Move a block's best unseen candidates into the list of user t of the tile."""
    first = block * scores.size
    lanes = min(scores.size, packed.candidates.size - first)
    count, n = lists.counts[t], lists.items.shape[1]
    threshold = lists.scores[t, n - 1] if count == n else _NOTHING
    above, unusable = 0, 0
    for lane in range(lanes):
        above += scores[lane] > threshold
        unusable += not abs(scores[lane]) <= _LARGEST_FLOAT
    if unusable or not lists.finite[t]:
        lists.finite[t] = False
        lists.counts[t] = 0
        lists.items[t, :] = -1
        lists.scores[t, :] = _ZERO
    elif above:
        _forget_seen(scores, packed, first, t, seen)
        for lane in range(lanes):
            if scores[lane] > threshold:
                count = _insert(lists.items[t], lists.scores[t], count, packed.candidates[first + lane], scores[lane])
                threshold = lists.scores[t, n - 1] if count == n else _NOTHING
        lists.counts[t] = count


@jit
def _forget_seen(scores: F32, packed: _Packed, first: int, t: int, seen: _Seen) -> None:
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


@jit
def _insert(items: I32, scores: F32, count: int, item: np.int32, score: np.float32) -> int:
    """Insert into one sorted list, dropping the last entry of a full one; returns the new count.

    Equal scores stay before the new one.
    """
    place = min(count, scores.size - 1)
    while place > 0 and scores[place - 1] < score:
        scores[place], items[place] = scores[place - 1], items[place - 1]
        place -= 1
    scores[place], items[place] = score, item
    return min(count + 1, scores.size)
