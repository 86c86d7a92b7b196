"""The order in which candidates are looked at: those first that raise thresholds, then like beside like."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsys_spark.kernels.arrays import I32, I64, read_only
from recsys_spark.kernels.tile import BLOCK


class Order(NamedTuple):
    """Candidates in blocks, in the order in which they are looked at."""

    items: I32
    """i32[blocks, BLOCK], item indices; -1 where a block is not full."""

    place: I32
    """i32[n_items], where an item stands; -1 for those that are no candidates."""

    members: I64
    """i64[blocks, BLOCK]; bit v says that the item may enter list v of a user."""

    any_member: I64
    """i64[blocks], the bits that some item of the block has."""


_FIRST_SHARE = 0.1
"""Of the candidates: so many come first whatever lists they belong to, since thresholds rise by the best ones."""


def order_of(liked_first: I32, members: I64) -> Order:
    """Candidates in blocks.

    With several lists, all but the first ones are sorted by the lists that they may enter, so that the items of a block
    are compared with the thresholds of few lists.

    Args:
        liked_first: i32[c], item indices; those that are likely to be in many lists come first.
        members: i64[n_items], a bit for each list that an item may enter.
    """
    blocks = -(-len(liked_first) // BLOCK)
    cut = int(len(liked_first) * _FIRST_SHARE)
    rest = liked_first[cut:]
    if len(np.unique(members[rest])) > 1:
        rest = rest[np.argsort(_rarest_first(members[rest]), kind="stable")]
    items = np.full(blocks * BLOCK, -1, np.int32)
    items[:cut], items[cut : len(liked_first)] = liked_first[:cut], rest
    place = np.full(len(members), -1, np.int32)
    place[items[: len(liked_first)]] = np.arange(len(liked_first), dtype=np.int32)
    bits = np.zeros(blocks * BLOCK, np.int64)
    bits[: len(liked_first)] = members[items[: len(liked_first)]]
    by_block = bits.reshape(blocks, BLOCK)
    in_blocks = read_only(items.reshape(blocks, BLOCK))
    return Order(in_blocks, read_only(place), read_only(by_block), read_only(np.bitwise_or.reduce(by_block, axis=1)))


def _rarest_first(members: I64) -> I64:
    """The same bits, the rarest one highest: what may enter a list that few may enter comes next to its like."""
    counts = [int(((members >> v) & 1).sum()) for v in range(63)]
    keys = np.zeros_like(members)
    for rank, v in enumerate(sorted(range(63), key=lambda v: -counts[v])):
        keys |= ((members >> v) & 1) << rank
    return keys
