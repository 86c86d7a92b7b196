"""Users with held-out ratings, cut out of the training set as it is stored: all rows of a user in one file, in order.

So nothing is shuffled: a task reads whole files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa

from recsys_spark.kernels.arrays import F32, I32, I64, Flags


class _Rows(NamedTuple):
    """Columns of ratings that ascend by user, then item."""

    user: I32
    item: I32
    rating: F32
    held: Flags
    weight: F32 | None = None

    @classmethod
    def of(cls, batches: list[pa.RecordBatch]) -> Self:
        names = [name for name in cls._fields if name in batches[0].schema.names]
        return cls(**{name: pa.chunked_array([b.column(name) for b in batches]).to_numpy() for name in names})

    def cut(self, start: int, end: int) -> _Rows:
        weight = None if self.weight is None else self.weight[start:end]
        return _Rows(self.user[start:end], self.item[start:end], self.rating[start:end], self.held[start:end], weight)

    def batch(self) -> pa.RecordBatch:
        columns = {name: pa.array(column) for name, column in self._asdict().items() if column is not None}
        return pa.RecordBatch.from_pydict(columns)


class HeldOutUsers(NamedTuple):
    """Some users with what a fit has seen of them and what was held out; for each user items ascend."""

    users: I32
    """i32[m], ascending."""

    fitted_offsets: I64
    """i64[m + 1], where each user's fitted items begin and end."""

    fitted_items: I32

    held_offsets: I64
    """i64[m + 1], likewise of the held-out ones."""

    held_items: I32

    held_ratings: F32

    held_weights: F32 | None
    """What each held-out rating counts; none: all the same."""

    @classmethod
    def of(cls, rows: _Rows, starts: I64) -> Self:
        """The users with held-out rows, from all of their rows.

        Args:
            rows: of whole users.
            starts: i64[...], where each user's rows begin.
        """
        counts = np.diff(np.append(starts, len(rows.user)))
        n_held = np.add.reduceat(rows.held, starts, dtype=np.int64)
        asked = n_held > 0
        fitted = ~rows.held if asked.all() else ~rows.held & np.repeat(asked, counts)
        return cls(
            rows.user[starts][asked],
            _offsets((counts - n_held)[asked]),
            rows.item[fitted],
            _offsets(n_held[asked]),
            rows.item[rows.held],
            rows.rating[rows.held],
            None if rows.weight is None else rows.weight[rows.held],
        )


def held_out_users(batches: Iterable[pa.RecordBatch], *, at_once: int) -> Iterator[HeldOutUsers]:
    """Cut rows into groups of users who have held-out rows.

    Args:
        batches: `user` i32, `item` i32, `rating` f32, `held` bool, whether the row was held out of the fit, and maybe
            `weight` f32; ascending by user, then item. A user may begin in one batch and end in another.
        at_once: users in a group, at most.

    Returns:
        The groups, in the order of the rows. A task holds the rows of one group, and those of a few batches.
    """
    waiting: list[pa.RecordBatch] = []
    n_users = 0
    for batch in batches:
        if not batch.num_rows:
            continue
        waiting.append(batch)
        n_users += int(np.count_nonzero(np.diff(batch.column("user").to_numpy()))) + 1
        if n_users <= at_once:
            continue
        rows = _Rows.of(waiting)
        # the last user may go on in the next batch
        end = int(np.searchsorted(rows.user, rows.user[-1]))
        yield from _groups(rows.cut(0, end), at_once)
        waiting, n_users = [rows.cut(end, len(rows.user)).batch()], 1
    if waiting:
        yield from _groups(_Rows.of(waiting), at_once)


def _groups(rows: _Rows, at_once: int) -> Iterator[HeldOutUsers]:
    starts = np.flatnonzero(np.diff(rows.user, prepend=-1))
    for first in range(0, len(starts), at_once):
        some = starts[first : first + at_once]
        end = starts[first + at_once] if first + at_once < len(starts) else len(rows.user)
        group = HeldOutUsers.of(rows.cut(int(some[0]), int(end)), some - some[0])
        if len(group.users):
            yield group


def _offsets(counts: I64) -> I64:
    """Where each user's rows begin and end, by their numbers."""
    return np.concatenate(([0], np.cumsum(counts)))
