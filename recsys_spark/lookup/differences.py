"""How the lists of two runs differ: users, overlap, and the items that come and go.

Lists are those of all candidates. Ids become codes and pairs become numbers, so that a million rows take no longer than
reading them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys_spark.kernels.arrays import I64


@dataclass(frozen=True)
class Lists:
    """The lists of one run.

    Args:
        entries: `user_id`, `item_id`, `rank`; one row for each entry.
        users: the ids of all users of the run, also of those with an empty list.
    """

    entries: pa.Table
    users: pa.ChunkedArray


@dataclass(frozen=True)
class ItemChange:
    """In how many lists an item was, and is."""

    item_id: Any
    before: int
    after: int


@dataclass(frozen=True)
class Differences:
    """What has changed from one run to another.

    `overlap` is that of the audit: the mean over users of both runs, other than those with two empty lists, of the
    number of items in both lists divided by the length of the longer one; none if there is no such user.
    """

    users_before: int
    users_after: int
    gained: list[Any]
    lost: list[Any]
    compared: int
    overlap: float | None
    unchanged: int
    entered: list[ItemChange]
    left: list[ItemChange]


def differences(before: Lists, after: Lists, *, most: int) -> Differences:
    """Compare the lists of two runs.

    Args:
        before: of the one run.
        after: of the other one; ids of the same types.
        most: items told that entered or left most lists, at most; of equal ones those with the lower id.
    """
    users = pa.chunked_array([*before.users.chunks, *after.users.chunks], before.users.type).unique()
    sides = (before, after)
    was, now = (np.isin(np.arange(len(users)), _codes(side.users, users)) for side in sides)
    columns = [side.entries["item_id"] for side in sides]
    items = pa.chunked_array([chunk for column in columns for chunk in column.chunks], columns[0].type).unique()
    items = items.take(pc.sort_indices(items))
    n_users, n_items = len(users), len(items)
    of_user = [_codes(side.entries["user_id"], users) for side in sides]
    of_item = [_codes(column, items) for column in columns]
    lengths = [np.bincount(codes, minlength=n_users) for codes in of_user]
    longest = np.maximum(*lengths)
    pairs = [user * n_items + item for user, item in zip(of_user, of_item, strict=True)]
    common = _common(pairs, n_items, n_users)
    ranks = [side.entries["rank"].to_numpy().astype(np.int64) for side in sides]
    places = max((int(rank.max()) for rank in ranks if len(rank)), default=0) + 1
    placed = [pair * places + rank for pair, rank in zip(pairs, ranks, strict=True)]
    in_place = _common(placed, n_items * places, n_users)
    listed = was & now & (longest > 0)
    in_lists = [np.bincount(codes, minlength=n_items) for codes in of_item]
    change = in_lists[1] - in_lists[0]
    told = items.to_pylist()

    def changed(order: I64) -> list[ItemChange]:
        return [ItemChange(told[i], int(in_lists[0][i]), int(in_lists[1][i])) for i in order[:most] if change[i]]

    return Differences(
        users_before=int(was.sum()),
        users_after=int(now.sum()),
        gained=users.filter(pa.array(now & ~was)).to_pylist(),
        lost=users.filter(pa.array(was & ~now)).to_pylist(),
        compared=int(listed.sum()),
        overlap=float((common[listed] / longest[listed]).mean()) if listed.any() else None,
        unchanged=int((listed & (in_place == longest)).sum()),
        entered=[c for c in changed(np.argsort(-change, kind="stable")) if c.after > c.before],
        left=[c for c in changed(np.argsort(change, kind="stable")) if c.after < c.before],
    )


def _codes(ids: pa.ChunkedArray, among: pa.Array) -> I64:
    return np.asarray(pc.index_in(ids, value_set=among).to_numpy(), np.int64)


def _common(keys: list[I64], per_user: int, n_users: int) -> I64:
    """How many keys of each user are on both sides; a key holds its user above `per_user`."""
    both = np.intersect1d(keys[0], keys[1], assume_unique=True)
    return np.asarray(np.bincount(both // max(per_user, 1), minlength=n_users), np.int64)
