"""Bounds deal entries out place by place: the same lists as doing so one entry after the other."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys_spark.kernels.caps import NO_BOUND, bounded, entry_keys, mixed, within_bounds
from recsys_spark.kernels.lists import TopN

N_ITEMS = 8
CHOICES = st.lists(st.lists(st.integers(0, N_ITEMS - 1), unique=True, max_size=N_ITEMS), min_size=1, max_size=9)


def dealt_out(users: list[int], choices: list[list[int]], n: int, most: int) -> list[list[int]]:
    """One entry after the other, in the documented order."""
    order = mixed(np.array(users, np.int32)).tolist()
    entries = sorted((place, order[u], u) for u, own in enumerate(choices) for place in range(len(own)))
    lists: list[list[int]] = [[] for _ in users]
    used = [0] * N_ITEMS
    for place, _, u in entries:
        item = choices[u][place]
        if len(lists[u]) < n and used[item] < most:
            lists[u].append(item)
            used[item] += 1
    return lists


def flat(choices: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.cumsum([0, *map(len, choices)]).astype(np.int64)
    return offsets, np.array([item for own in choices for item in own], np.int32)


def by_bounds(users: list[int], choices: list[list[int]], n: int, most: int) -> tuple[list[list[int]], np.ndarray]:
    """As the rounds on Spark find them, here in one process."""
    index, (offsets, items) = np.array(users, np.int32), flat(choices)
    bounds = np.full(N_ITEMS, NO_BOUND, np.int64)
    while True:
        places, counts = within_bounds(index, offsets, items, bounds, n)
        owner = np.repeat(np.arange(len(users)), counts)
        keys = entry_keys(index[owner], places - offsets[owner])
        crowded = np.flatnonzero(np.bincount(items[places], minlength=N_ITEMS) > most)
        if not len(crowded):
            return [items[places[owner == u]].tolist() for u in range(len(users))], bounds
        for item in crowded:
            bounds[item] = np.sort(keys[items[places] == item])[most]


@given(choices=CHOICES, n=st.integers(1, 6), most=st.integers(1, 5), first=st.integers(0, 2**31 - 100))
def test_bounds_give_what_dealing_out_gives(choices: list[list[int]], n: int, most: int, first: int) -> None:
    users = [first + 7 * u for u in range(len(choices))]
    lists, _ = by_bounds(users, choices, n, most)
    assert lists == dealt_out(users, choices, n, most)


@given(choices=CHOICES, n=st.integers(1, 6), most=st.integers(1, 5), seed=st.integers(0, 100))
def test_lists_are_by_score_again(choices: list[list[int]], n: int, most: int, seed: int) -> None:
    users = list(range(len(choices)))
    expected, bounds = by_bounds(users, choices, n, most)
    random, pools = np.random.default_rng(seed), TopN.empty(len(users), N_ITEMS)
    for row, own in enumerate(choices):
        pools.items[row, : len(own)], pools.counts[row] = own, len(own)
        pools.scores[row, : len(own)] = random.integers(0, 3, len(own))
    found = bounded(np.array(users, np.int32), pools, bounds, n)
    for row, own in enumerate(expected):
        score = dict(zip(pools.items[row].tolist(), pools.scores[row].tolist(), strict=True))
        assert found.items[row, : found.counts[row]].tolist() == sorted(own, key=lambda i: (-score[i], i))


def test_no_two_users_share_a_hash() -> None:
    some = np.concatenate([np.arange(200_000), 2**31 - 1 - np.arange(200_000)]).astype(np.int32)
    assert len(np.unique(mixed(some))) == len(some)
