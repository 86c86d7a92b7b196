"""Lists as they grow: insertion in order, and the items that a user has seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsys_spark.errors import DataError
from recsys_spark.kernels.arrays import F32, I32, I64, Flags, indices, read_only
from recsys_spark.kernels.jit import jit


class TopN(NamedTuple):
    """The lists of m users, V for each, one after the other; positions from `counts` on hold item -1 and score 0."""

    items: I32
    """i32[m * V, n], item indices, best first."""

    scores: F32
    """f32[m * V, n], `score32` of these items: unclipped."""

    counts: I32
    """i32[m * V], entries of each list: n, or fewer if there are not so many that may enter."""

    finite: Flags
    """bool[m]; false if a candidate's score is infinite or NaN, seen or not, unless the user's segment may not get it
    anyway. Such a user's lists are empty."""

    scored: I32
    """i32[m], candidates that `score32` has scored; the others were left out by a bound."""

    screened: Flags
    """bool[m], whether the lists were made by screening."""

    @classmethod
    def empty(cls, users: int, n: int, variants: int = 1) -> TopN:
        """Lists without any entry."""
        return cls(
            items=np.full((users * variants, n), -1, np.int32),
            scores=np.zeros((users * variants, n), np.float32),
            counts=np.zeros(users * variants, np.int32),
            finite=np.ones(users, np.bool_),
            scored=np.zeros(users, np.int32),
            screened=np.zeros(users, np.bool_),
        )

    def of(self, users: slice) -> TopN:
        """Those of some users next to each other: the very same memory."""
        first, last, _ = users.indices(len(self.finite))
        variants = len(self.counts) // max(len(self.finite), 1)
        lists = slice(first * variants, last * variants)
        return TopN(
            self.items[lists],
            self.scores[lists],
            self.counts[lists],
            self.finite[users],
            self.scored[users],
            self.screened[users],
        )

    def put(self, users: I64, others: TopN) -> None:
        """Take over the lists of some users."""
        variants = len(self.counts) // max(len(self.finite), 1)
        lists = (users[:, None] * variants + np.arange(variants)).reshape(-1)
        self.items[lists], self.scores[lists], self.counts[lists] = others.items, others.scores, others.counts
        self.finite[users], self.scored[users], self.screened[users] = others.finite, others.scored, others.screened


class Seen(NamedTuple):
    """Seen lists of the users of a call."""

    next: I64
    """i64[m], where in `items` each user's unmet seen items begin; may move on as items go by in ascending order."""

    stop: I64
    """i64[m], where they end."""

    items: I32
    """i32[...], ascending for each user."""

    def of(self, users: I64) -> Seen:
        """Those of some users."""
        return Seen(self.next[users], read_only(self.stop[users]), self.items)


def checked_seen(offsets: I64, items: I32, *, n_users: int) -> Seen:
    """Seen lists as kernels take them.

    Args:
        offsets: i64[n_users + 1], where each user's items begin and end.
        items: i32[...], ascending for each user.
        n_users: of the call.

    Raises:
        DataError: offsets that do not fit the users, or items that are not ascending.
    """
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
    # the items may be those of many more users
    items = indices(items[offsets[0] : offsets[-1]], below=2**31, subject="seen_items")
    offsets -= offsets[0]
    descents = np.flatnonzero(items[1:] < items[:-1]) + 1
    inside = descents[~np.isin(descents, offsets)]
    if inside.size:
        raise DataError(
            "seen_items",
            expected="each user's items in ascending order",
            found=f"{items[inside[0]]} after {items[inside[0] - 1]} at position {inside[0]}",
        )
    return Seen(next=offsets[:-1].copy(), stop=read_only(offsets[1:]), items=items)


@jit
def insert(items: I32, scores: F32, count: int, item: np.int32, score: np.float32) -> int:
    """Insert into one list, ordered by score descending, then by item ascending; gives the new count.

    The last entry of a full list is dropped, which may be the new one itself.
    """
    size = scores.size
    place = count
    while place > 0 and (scores[place - 1] < score or (scores[place - 1] == score and items[place - 1] > item)):
        if place < size:
            scores[place], items[place] = scores[place - 1], items[place - 1]
        place -= 1
    if place < size:
        scores[place], items[place] = score, item
    return min(count + 1, size)
