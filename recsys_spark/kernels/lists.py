"""Lists as they grow: the best entries so far, and the items that a user has seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsys_spark.errors import DataError
from recsys_spark.kernels.arrays import F32, I32, I64, Flags, indices, read_only
from recsys_spark.kernels.jit import jit


class TopN(NamedTuple):
    """The lists of m users, V for each, one after the other; positions from `counts` on hold item -1 and score 0."""

    items: I32
    """i32[m * V, n], item indices, best first (while lists grow: in the order of a heap, the worst one first)."""

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

    def head(self, n: int) -> TopN:
        """The first n entries of each list."""
        return self._replace(items=self.items[:, :n], scores=self.scores[:, :n], counts=np.minimum(self.counts, n))

    def put_in_order(self) -> None:
        """Order each list by score descending, then by item index ascending; until then it is a heap, see `offer`."""
        # empty places go behind all others
        inside = np.arange(self.items.shape[1]) < self.counts[:, None]
        by_score = np.where(inside, -self.scores, np.float32(np.inf))
        order = np.lexsort((self.items, by_score), axis=-1)
        self.items[:] = np.take_along_axis(self.items, order, axis=1)
        self.scores[:] = np.take_along_axis(self.scores, order, axis=1)

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
    descent = _first_descent(read_only(offsets), items)
    if descent >= 0:
        raise DataError(
            "seen_items",
            expected="each user's items in ascending order",
            found=f"{items[descent]} after {items[descent - 1]} at position {descent}",
        )
    return Seen(next=offsets[:-1].copy(), stop=read_only(offsets[1:]), items=items)


@jit
def _first_descent(offsets: I64, items: I32) -> int:
    """Where an item is smaller than the one before of the same user; -1: nowhere."""
    for user in range(offsets.size - 1):
        for k in range(offsets[user] + 1, offsets[user + 1]):
            if items[k] < items[k - 1]:
                return k
    return -1


@jit
def offer(items: I32, scores: F32, count: int, item: np.int32, score: np.float32) -> int:
    """Offer an entry to a list that is not in order yet: a heap whose first entry is the worst one.

    Of two entries the one with the lower score is worse, of equal scores the one with the higher index. So a long list
    costs a few comparisons for each entry, not a move of half of it; `TopN.put_in_order` ends it.

    Args:
        items: i32[n], `count` of them filled.
        scores: f32[n], likewise.
        count: entries so far.
        item: the new one.
        score: likewise.

    Returns:
        The new count. If the list is full, the worst entry is dropped, which may be the new one itself.
    """
    if count < scores.size:
        place = count
        while place > 0:
            above = (place - 1) // 2
            if not _is_worse(score, item, scores[above], items[above]):
                break
            scores[place], items[place] = scores[above], items[above]
            place = above
        scores[place], items[place] = score, item
        return count + 1
    if not _is_worse(scores[0], items[0], score, item):
        return count
    place = 0
    while True:
        below = 2 * place + 1
        if below >= count:
            break
        if below + 1 < count and _is_worse(scores[below + 1], items[below + 1], scores[below], items[below]):
            below += 1
        if not _is_worse(scores[below], items[below], score, item):
            break
        scores[place], items[place] = scores[below], items[below]
        place = below
    scores[place], items[place] = score, item
    return count


@jit
def _is_worse(score: np.float32, item: np.int32, other_score: np.float32, other_item: np.int32) -> bool:
    return bool(score < other_score or (score == other_score and item > other_item))
