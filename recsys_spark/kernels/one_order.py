"""Lists by scorers that order the items alike for everybody: biases alone, such as popularity.

The candidates stand in the order of their biases. Rounding never turns two scores round, so a list is full, and ends,
soon after its user's first n unseen candidates; only scores that rounding has made equal are looked at beyond.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsys_spark.kernels.arrays import F32, I32, I64, read_only
from recsys_spark.kernels.fma import fma
from recsys_spark.kernels.jit import jit
from recsys_spark.kernels.lists import Seen, TopN, offer
from recsys_spark.kernels.scorer import PairScorer

_ZERO = np.float32(0)


class OneOrder(NamedTuple):
    """Candidates by bias descending, then by index ascending."""

    items: I32
    """i32[c]"""

    bias: F32
    """f32[c]"""

    next_bias: I32
    """i32[c], where the next lower bias begins."""

    scale: np.float32
    offset: np.float32


def fits(scorer: PairScorer) -> bool:
    """Whether a scorer has biases alone, and a scale that keeps their order."""
    return scorer.is_dot and not scorer.item.shape[1] and scorer.scale > 0


def one_order_of(scorer: PairScorer, candidates: I32) -> OneOrder:
    """Put the candidates, i32[c] in ascending order, in the order of all lists."""
    own = scorer.item_bias
    bias = np.zeros(len(candidates), np.float32) if own is None else own[candidates]
    order = np.argsort(-bias, kind="stable")
    bias = bias[order]
    starts = np.flatnonzero(np.diff(bias, append=np.float32(np.nan)) != 0) + 1
    next_bias = starts[np.searchsorted(starts, np.arange(len(bias)), side="right")].astype(np.int32)
    scale, offset = np.float32(scorer.scale), np.float32(scorer.offset)
    return OneOrder(read_only(candidates[order]), read_only(bias), read_only(next_bias), scale, offset)


def one_order_lists(
    scorer: PairScorer, users: I32, order: OneOrder, seen: Seen, floor: np.float32, lists: TopN
) -> None:
    """Fill the empty lists of some users, one for each.

    Args:
        scorer: with biases alone.
        users: i32[m], user indices.
        order: of its candidates.
        seen: of these users.
        floor: no score below this enters a list.
        lists: of these users.
    """
    own = np.zeros(len(users), np.float32) if scorer.user_bias is None else scorer.user_bias[users]
    _fill(own, order, seen, floor, np.full(scorer.n_items, -1, np.int64), lists)


@jit
def _score(own: np.float32, bias: np.float32, order: OneOrder) -> np.float32:
    """`score32` without columns."""
    return np.float32(fma(np.float32(own + bias), order.scale, order.offset))


@jit
def _fill(own: F32, order: OneOrder, seen: Seen, floor: np.float32, met: I64, lists: TopN) -> None:
    n, c = lists.items.shape[1], order.items.size
    for t in range(own.size):
        if not c:
            continue
        # all others lie between these two
        for end in (0, c - 1):
            if not np.isfinite(_score(own[t], order.bias[end], order)):
                lists.finite[t] = False
        if not lists.finite[t]:
            continue
        for k in range(seen.next[t], seen.stop[t]):
            if seen.items[k] < met.size:
                met[seen.items[k]] = t
        count, place, scored = 0, 0, 0
        while place < c:
            item, score = order.items[place], _score(own[t], order.bias[place], order)
            scored += 1
            if score < floor or (count == n and score < lists.scores[t, 0]):
                break
            if count == n and score == lists.scores[t, 0] and item > lists.items[t, 0]:
                # neither it nor any other of this bias
                place = order.next_bias[place]
                continue
            if met[item] != t:
                count = offer(lists.items[t], lists.scores[t], count, item, score)
            place += 1
        lists.counts[t], lists.scored[t] = count, scored
