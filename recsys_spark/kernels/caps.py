"""How many lists an item may be in: who gets it, where more want it.

Entries are dealt out place by place: first everybody's first choice, then the second ones, and so on until a list has
its entries; at one place in the order of a fixed hash of the user. An entry whose item is in as many lists as it may be
is passed over, and the list's next choice takes its turn at its own place.

So each item goes to the entries with the lowest keys (place, hash of the user), and one number for each item, the key
from which on it is gone, says all there is to say. These bounds are found by deferred acceptance (Gale, Shapley:
College Admissions and the Stability of Marriage, 1962): every list takes the first entries within bounds, items that
are in too many lists lower theirs, until none is. Lists and items order an entry by the same key, so there is just one
stable outcome, and it is that of dealing out.
"""

from __future__ import annotations

import numpy as np

from recsys_spark.kernels.arrays import I32, I64
from recsys_spark.kernels.jit import jit
from recsys_spark.kernels.lists import TopN

NO_BOUND = np.iinfo(np.int64).max

_PLACE_BITS = 32


def entry_keys(users: I32, places: I32 | I64) -> I64:
    """The keys of entries: no two of one item are the same.

    Args:
        users: i32[m], indices.
        places: int[m], of the entry among the user's choices, from 0.
    """
    keys: I64 = (places.astype(np.int64) << _PLACE_BITS) | mixed(users).astype(np.int64)
    return keys


def mixed(users: I32) -> np.ndarray:
    """A hash u32[m] of indices that sends no two to the same number (Wellons: Prospecting for Hash Functions, 2018)."""
    x = users.astype(np.uint32)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    found: np.ndarray = x ^ (x >> np.uint32(16))
    return found


def within_bounds(users: I32, offsets: I64, items: I32, bounds: I64, n: int) -> tuple[I64, I64]:
    """The entries that lists take: of each the first n within bounds.

    Args:
        users: i32[m], whose lists they are.
        offsets: i64[m + 1], where each user's choices begin and end.
        items: i32[...], choices in their order.
        bounds: i64[n_items], the key from which on an item is gone.
        n: entries of a list.

    Returns:
        i64[...] positions in `items` of the entries taken, ascending, and i64[m] how many of each user.
    """
    taken = np.empty(min(len(items), n * len(users)), np.int64)
    counts = np.zeros(len(users), np.int64)
    total = _take(mixed(users).astype(np.int64), offsets, items, bounds, n, taken, counts)
    return taken[:total], counts


def bounded(users: I32, choices: TopN, bounds: I64, n: int) -> TopN:
    """Lists out of choices in their order: the first n within bounds, by score again.

    Args:
        users: i32[m].
        choices: of these users.
        bounds: as of `within_bounds`.
        n: entries of a list.
    """
    inside = np.arange(choices.items.shape[1]) < choices.counts[:, None]
    offsets = np.concatenate(([0], np.cumsum(choices.counts))).astype(np.int64)
    taken, counts = within_bounds(users, offsets, choices.items[inside], bounds, n)
    lists = TopN.empty(len(users), n)
    place = np.arange(n) < counts[:, None]
    lists.items[place], lists.scores[place] = choices.items[inside][taken], choices.scores[inside][taken]
    lists.counts[:] = counts
    lists.put_in_order()
    return lists


@jit
def _take(hashes: I64, offsets: I64, items: I32, bounds: I64, n: int, taken: I64, counts: I64) -> int:
    total = 0
    for user in range(hashes.size):
        for position in range(offsets[user], offsets[user + 1]):
            if counts[user] == n:
                break
            key = ((position - offsets[user]) << 32) | hashes[user]
            if key < bounds[items[position]]:
                taken[total] = position
                counts[user] += 1
                total += 1
    return total
