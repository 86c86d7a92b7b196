"""Which candidates the users of a segment may get, as bits that a kernel reads while candidates go by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recsys_spark.errors import DataError
from recsys_spark.kernels.arrays import I32, I64, indices, read_only
from recsys_spark.kernels.jit import jit

_KEPT = 1 << 28
"""Bytes of bits that are kept from one call to the next; more are made for each call anew."""

_ALL = np.int64(-1)
_ONE = np.int64(1)


@dataclass(frozen=True, eq=False)
class Segments:
    """The eligible items of each segment.

    Args:
        offsets: i64[segments + 1], where each segment's items begin and end.
        items: i32[...], item indices in any order; those that are no candidates do no harm.
    """

    offsets: I64
    items: I32

    def __len__(self) -> int:
        return len(self.offsets) - 1


class Closed(NamedTuple):
    """Pairs that are closed to users by their segments."""

    bits: I64
    """i64[rows, words]; bit b of word w is set where the candidate at place 64 w + b may not be had."""

    row: I32
    """i32[m], the row of each user; -1: everything may be had."""


NOTHING_CLOSED = Closed(read_only(np.zeros((0, 0), np.int64)), read_only(np.zeros(0, np.int32)))


class ClosedBits:
    """Makes `Closed` for one order of the candidates.

    Args:
        segments: the eligible items of each.
        place: i32[n_items], where an item stands among the candidates, or -1.
        n_places: places, those without a candidate among them.
    """

    def __init__(self, segments: Segments, place: I32, n_places: int) -> None:
        self._segments, self._place, self._words = segments, read_only(place), -(-n_places // 64)
        self._kept: I64 | None = None
        if len(segments) * self._words * 8 <= _KEPT:
            self._kept = self._bits_of(np.arange(len(segments), dtype=np.int32))

    def of(self, segment: I32) -> Closed:
        """What is closed to users, i32[m], the segment of each; -1: none, nothing is closed."""
        if self._kept is not None:
            return Closed(self._kept, read_only(segment))
        present, row = np.unique(segment, return_inverse=True)
        # the row of those without a segment, which sorts first, becomes -1
        shift = int(len(present) > 0 and present[0] < 0)
        return Closed(self._bits_of(present[shift:]), read_only(row.astype(np.int32) - shift))

    def _bits_of(self, wanted: I32) -> I64:
        bits = np.full((len(wanted), self._words), _ALL)
        offsets, items = read_only(self._segments.offsets), read_only(self._segments.items)
        _open(read_only(wanted), offsets, items, self._place, bits)
        return read_only(bits)


@jit
def _open(wanted: I32, offsets: I64, items: I32, place: I32, bits: I64) -> None:
    for row in range(wanted.size):
        for k in range(offsets[wanted[row]], offsets[wanted[row] + 1]):
            at = place[items[k]] if items[k] < place.size else -1
            if at >= 0:
                bits[row, at // 64] &= ~(_ONE << (at % 64))


@jit
def is_closed(closed: Closed, row: int, place: int) -> bool:
    """Whether the candidate at a place may not be had by user `row` of the call."""
    own = closed.row[row]
    return bool(own >= 0 and (closed.bits[own, place // 64] >> (place % 64)) & 1)


def checked_segments(segment: I32 | None, segments: Segments | None, *, n_users: int) -> I32 | None:
    """The segment of each user of a call, checked; none where there are no segments.

    Raises:
        DataError: segments without a segment of each user or the other way round, or one out of range.
    """
    if segments is None and segment is None:
        return None
    if segments is None or segment is None or len(segment) != n_users:
        found = "none" if segment is None else f"{len(segment)}, and {len(segments or ())} segments"
        raise DataError("segment", expected=f"one for each of the {n_users} users", found=found)
    return indices(np.asarray(segment) + 1, below=len(segments) + 1, subject="segment") - np.int32(1)
