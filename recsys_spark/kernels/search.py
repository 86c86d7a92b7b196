"""What is known of users' lists while items go by: which pairs need no look, and which are worth an exact score.

A pair that its upper bound has left over is not scored at once. Where bounds have a lower side, as those of dot
products, it is kept in a room of its user, and its lower bound says that the list's last score will not be below the
N-th best of such lower bounds: so the threshold rises at the price of a comparison, and of the kept pairs few are left
to be scored in the end. Where they have none, all users share one room, and what is in it is scored when it is full.

Bounds and thresholds are told without the user's shift, see `screen`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsys_spark.kernels.arrays import F32, F64, I32, I64
from recsys_spark.kernels.head import Head
from recsys_spark.kernels.jit import jit
from recsys_spark.kernels.lists import Seen, TopN, offer
from recsys_spark.kernels.order import Order
from recsys_spark.kernels.relu_rows import score_relu_rows
from recsys_spark.kernels.score32 import Pairs, Side, score_dots, score_layers
from recsys_spark.kernels.segments import Closed
from recsys_spark.kernels.tile import BLOCK, trailing_zeros

OWN_ROOM = 64
"""Pairs that are kept of one user, at least; and twice as many as a list has entries."""

SHARED_ROOM = 256
"""Pairs that are kept of all users together: as many as `score_layers` scores side by side."""

WHOLE_BLOCK = np.int64(-1) if BLOCK == 64 else np.int64((1 << BLOCK) - 1)
"""A bit for each item of a block."""

_ONE = np.int64(1)


class Exact(NamedTuple):
    """What `score32` needs."""

    user_side: Side
    item_side: Side
    head: Head

    halves: F32
    """f32[m, h], one hidden layer's halves of the users of the call; empty for other scorers."""

    item_weight: F32
    """f32[k_i, h], the item's part of that layer's weights; empty likewise."""

    item_start: F32
    """f32[h], what the items' halves begin with; empty likewise."""


class Lower(NamedTuple):
    """The best lower bounds of each list so far."""

    least: F64
    """f64[users, V]; no score below this enters the list, for all that is known."""

    bounds: F64
    """f64[users, V, n], a heap, the lowest of them first."""

    known: I32
    """i32[users, V], how many of them there are."""


class Kept(NamedTuple):
    """Pairs in rooms."""

    users: I32
    """i32[rooms, size], of which user of the search."""

    items: I32
    """i32[rooms, size]."""

    members: I64
    """i64[rooms, size], which lists the item may enter."""

    bounds: F64
    """f64[rooms, size], upper bounds."""

    filled: I32
    """i32[rooms], how many there are."""


class Search(NamedTuple):
    """Of some users who go through the items together, numbered from 0: each has V lists of n."""

    floor: np.float32
    """No score below this enters a list."""

    rows: I64
    """i64[users], which user of the call; -1 for none."""

    shift: F64
    """f64[users]."""

    done: I64
    """i64[users, blocks], a bit for each pair that needs no look: seen, scored, or no item at all."""

    lower: Lower
    """What is known of the lists."""

    kept: Kept
    """Pairs that may enter a list."""

    scores: F32
    """f32[size], scratch."""

    pair_users: I32
    """i32[size], scratch."""

    pair_rows: I64
    """i64[size], scratch."""


_NOTHING, _EVERYTHING = -np.inf, 1e300


def new_search(n_users: int, n_blocks: int, n_variants: int, n: int, floor: np.float32, *, own_rooms: bool) -> Search:
    """For at most so many users, with a room for each of them or with one for all."""
    rooms, size = (n_users, max(OWN_ROOM, 2 * n)) if own_rooms else (1, SHARED_ROOM)
    return Search(
        floor=floor,
        rows=np.full(n_users, -1, np.int64),
        shift=np.zeros(n_users),
        done=np.zeros((n_users, n_blocks), np.int64),
        lower=Lower(
            least=np.full((n_users, n_variants), _EVERYTHING),
            bounds=np.zeros((n_users, n_variants, n)),
            known=np.zeros((n_users, n_variants), np.int32),
        ),
        kept=Kept(
            users=np.zeros((rooms, size), np.int32),
            items=np.zeros((rooms, size), np.int32),
            members=np.zeros((rooms, size), np.int64),
            bounds=np.zeros((rooms, size)),
            filled=np.zeros(rooms, np.int32),
        ),
        scores=np.zeros(size, np.float32),
        pair_users=np.zeros(size, np.int32),
        pair_rows=np.zeros(size, np.int64),
    )


@jit
def begin(
    search: Search, user: int, row: int, shift: float, order: Order, first: int, seen: Seen, closed: Closed
) -> None:
    """Let user `row` of the call be `user` of the search.

    Args:
        search: to change.
        user: from 0.
        row: -1 for none.
        shift: of the user.
        order: of all candidates.
        first: the block where the part of the order begins that goes by now.
        seen: of the call.
        closed: of the call.
    """
    search.rows[user], search.shift[user] = row, shift
    n_blocks = search.done.shape[1]
    search.lower.known[user, :] = 0
    search.lower.least[user, :] = _EVERYTHING
    if row < 0:
        search.done[user, :] = WHOLE_BLOCK
        return
    search.lower.least[user, :] = np.float64(search.floor) - shift
    search.done[user, :] = 0
    if closed.row.size and closed.row[row] >= 0:
        own = closed.row[row]
        for block in range(n_blocks):
            at = (first + block) * BLOCK
            # a block's bits lie within one word, since words are whole numbers of blocks
            search.done[user, block] = closed.bits[own, at // 64] >> (at % 64)
    for k in range(seen.next[row], seen.stop[row]):
        item = seen.items[k]
        place = order.place[item] - first * BLOCK if item < order.place.size else -1
        if 0 <= place < n_blocks * BLOCK:
            search.done[user, place // BLOCK] |= _ONE << (place % BLOCK)
    for t in range(BLOCK):
        if order.items[first + n_blocks - 1, t] < 0:
            search.done[user, n_blocks - 1] |= _ONE << t


@jit
def seed(search: Search, user: int, order: Order, exact: Exact, users: I32, lists: TopN) -> None:
    """Keep the first candidates that are left, so that there is something to compare with."""
    taken, size, room = 0, search.lower.bounds.shape[2], room_of(search.kept, user)
    for block in range(search.done.shape[1]):
        left = ~search.done[user, block] & WHOLE_BLOCK
        while left != 0 and taken < size:
            t = trailing_zeros(left)
            left &= left - 1
            search.done[user, block] |= _ONE << t
            if keep(search.kept, room, user, order.items[block, t], order.members[block, t], np.inf):
                make_room(search, room, exact, users, lists)
            taken += 1
        if taken == size:
            break


@jit
def recall(search: Search, user: int, lists: TopN) -> None:
    """Take in what is in the lists already."""
    n_variants, row = search.lower.least.shape[1], search.rows[user]
    for v in range(n_variants):
        own = row * n_variants + v
        for k in range(lists.counts[own]):
            learn(search.lower, user, 1 << v, np.float64(lists.scores[own, k]) - search.shift[user])


@jit
def lowest(least: F64, user: int, members: int) -> float:
    """The lowest of a user's thresholds, of the lists in `members`."""
    if least.shape[1] == 1:
        return float(least[user, 0])
    threshold = np.inf
    while members != 0:
        threshold = min(threshold, least[user, trailing_zeros(members)])
        members &= members - 1
    return threshold


@jit
def learn(lower: Lower, user: int, members: int, bound: float) -> None:
    """Take in the lower bound of a candidate of some lists."""
    n = lower.bounds.shape[2]
    while members != 0:
        v = trailing_zeros(members)
        members &= members - 1
        heap, known = lower.bounds[user, v], lower.known[user, v]
        if known < n:
            place = known
            while place > 0 and heap[(place - 1) // 2] > bound:
                heap[place] = heap[(place - 1) // 2]
                place = (place - 1) // 2
            heap[place] = bound
            known += 1
            lower.known[user, v] = known
        elif bound > heap[0]:
            place, below = 0, 1
            while below < n:
                if below + 1 < n and heap[below + 1] < heap[below]:
                    below += 1
                if heap[below] >= bound:
                    break
                heap[place] = heap[below]
                place, below = below, 2 * below + 1
            heap[place] = bound
        if known == n:
            lower.least[user, v] = max(lower.least[user, v], heap[0])


@jit
def room_of(kept: Kept, user: int) -> int:
    """Where a user's pairs are kept."""
    return user if kept.filled.size > 1 else 0


@jit
def keep(kept: Kept, room: int, user: int, item: int, members: int, bound: float) -> bool:
    """Keep a candidate that may enter a list.

    Args:
        kept: to change.
        room: of the user.
        user: of the search.
        item: index.
        members: the lists it may enter.
        bound: its score is not above this; infinite if that is not known.

    Returns:
        Whether the room is full now: then `make_room`.
    """
    place = kept.filled[room]
    kept.users[room, place] = user
    kept.items[room, place] = item
    kept.members[room, place] = members
    kept.bounds[room, place] = bound
    kept.filled[room] = place + 1
    return bool(place + 1 == kept.users.shape[1])


@jit
def make_room(search: Search, room: int, exact: Exact, users: I32, lists: TopN) -> None:
    """Forget what cannot enter a list any more; if that is not much, score the rest.

    Args:
        search: to change.
        room: which is full.
        exact: the scorer.
        users: i32[m], user indices of the call.
        lists: of the call.
    """
    _drop(search, room)
    if search.kept.filled[room] > search.kept.users.shape[1] // 2:
        settle(search, room, exact, users, lists)


@jit
def _drop(search: Search, room: int) -> None:
    kept, left = search.kept, 0
    for k in range(kept.filled[room]):
        user, members = kept.users[room, k], kept.members[room, k]
        if kept.bounds[room, k] >= lowest(search.lower.least, user, members):
            kept.users[room, left] = user
            kept.items[room, left] = kept.items[room, k]
            kept.members[room, left] = members
            kept.bounds[room, left] = kept.bounds[room, k]
            left += 1
    kept.filled[room] = left


@jit
def settle(search: Search, room: int, exact: Exact, users: I32, lists: TopN) -> None:
    """Score what is kept in a room, and offer it to the lists."""
    _drop(search, room)
    kept, n = search.kept, search.kept.filled[room]
    kept.filled[room] = 0
    if n == 0:
        return
    items, scores = kept.items[room, :n], search.scores[:n]
    for k in range(n):
        row = search.rows[kept.users[room, k]]
        search.pair_rows[k], search.pair_users[k] = row, users[row]
        lists.scored[row] += 1
    if exact.halves.size:
        rows, columns = search.pair_rows[:n], exact.item_side.columns
        score_relu_rows(exact.halves, rows, columns, items, exact.item_weight, exact.item_start, exact.head, scores)
    else:
        pairs = Pairs(exact.user_side, exact.item_side, search.pair_users[:n], items)
        if exact.head.widths.size:
            score_layers(pairs, exact.head, scores)
        else:
            score_dots(pairs, exact.head, scores)
    for k in range(n):
        _enter(search, kept.users[room, k], items[k], kept.members[room, k], scores[k], lists)


@jit
def _enter(search: Search, user: int, item: np.int32, members: int, score: np.float32, lists: TopN) -> None:
    """Offer a scored item to the lists that it may enter."""
    least, row, shift = search.lower.least, search.rows[user], search.shift[user]
    n_variants, size = least.shape[1], lists.items.shape[1]
    if score < search.floor:
        return
    while members != 0:
        v = trailing_zeros(members)
        members &= members - 1
        if np.float64(score) - shift < least[user, v]:
            continue
        own = row * n_variants + v
        count = offer(lists.items[own], lists.scores[own], lists.counts[own], item, score)
        lists.counts[own] = count
        if count == size:
            least[user, v] = max(least[user, v], np.float64(lists.scores[own, 0]) - shift)
