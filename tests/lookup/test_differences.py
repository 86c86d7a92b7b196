"""How lists differ, held to a count by hand over sets."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_spark.lookup.differences import Lists, differences

Run = dict[int, list[str]]

runs = st.dictionaries(st.integers(-3, 6), st.lists(st.sampled_from("abcdefg"), unique=True, max_size=4), max_size=6)


def lists(run: Run) -> Lists:
    rows = [(user, item, rank) for user, items in run.items() for rank, item in enumerate(items, start=1)]
    columns = list(zip(*rows, strict=True)) if rows else [(), (), ()]
    types = (pa.int64(), pa.string(), pa.int32())
    names = ("user_id", "item_id", "rank")
    entries = pa.table({n: pa.array(c, t) for n, c, t in zip(names, columns, types, strict=True)})
    return Lists(entries, pa.chunked_array([pa.array(sorted(run), pa.int64())]))


@given(runs, runs)
def test_differences_are_those_counted_by_hand(before: Run, after: Run) -> None:
    found = differences(lists(before), lists(after), most=99)

    assert (found.users_before, found.users_after) == (len(before), len(after))
    assert sorted(found.gained) == sorted(after.keys() - before.keys())
    assert sorted(found.lost) == sorted(before.keys() - after.keys())
    both = [user for user in before.keys() & after.keys() if before[user] or after[user]]
    assert found.compared == len(both)
    shares = [len(set(before[u]) & set(after[u])) / max(len(before[u]), len(after[u])) for u in both]
    assert found.overlap == (pytest.approx(sum(shares) / len(shares)) if shares else None)
    assert found.unchanged == sum(before[user] == after[user] for user in both)
    was, now = (Counter(item for items in run.values() for item in items) for run in (before, after))
    changes = {item: (was[item], now[item]) for item in was.keys() | now.keys()}
    assert {c.item_id: (c.before, c.after) for c in found.entered} == {i: c for i, c in changes.items() if c[1] > c[0]}
    assert {c.item_id: (c.before, c.after) for c in found.left} == {i: c for i, c in changes.items() if c[1] < c[0]}


def test_items_with_the_largest_change_come_first_and_no_more_than_wanted() -> None:
    before, after = {1: ["a"], 2: ["a"], 3: ["b"]}, {1: ["c", "d"], 2: ["d", "e"], 3: ["b", "c", "d"]}

    found = differences(lists(before), lists(after), most=2)

    assert [(c.item_id, c.before, c.after) for c in found.entered] == [("d", 0, 3), ("c", 0, 2)]
    assert [(c.item_id, c.before, c.after) for c in found.left] == [("a", 2, 0)]
