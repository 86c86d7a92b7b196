"""The figures of lists are those of trec_eval, and edge cases are what the module says."""

from __future__ import annotations

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ir_measures import AP, RR, P, R, Success, nDCG

from recsys_spark.kernels.arrays import F32
from recsys_spark.kernels.list_metrics import METRICS, figures_of_lists, gini, names, relevant_entries

K = (1, 3, 10)

THEIRS = {"ndcg": nDCG, "recall": R, "precision": P, "map": AP, "mrr": RR, "hit_rate": Success}

User = tuple[list[int], set[int]]
"""A list of items, the best first, and the relevant items."""

ITEMS = st.integers(0, 30)
USERS = st.lists(
    st.tuples(st.lists(ITEMS, unique=True, max_size=12), st.sets(ITEMS, min_size=1, max_size=15)),
    min_size=1,
    max_size=8,
)


def figures(users: list[User], cutoffs: tuple[int, ...] = K) -> dict[str, list[float]]:
    """Ours, by name, for each user."""
    longest = max(len(items) for items, _ in users)
    items = np.full((len(users), longest), 7, np.int32)
    for row, (entries, _) in enumerate(users):
        items[row, : len(entries)] = entries
    counts = np.array([len(entries) for entries, _ in users], np.int64)
    relevant = [sorted(known) for _, known in users]
    offsets = np.cumsum([0, *map(len, relevant)])
    flags = relevant_entries(items, counts, offsets, np.array([i for known in relevant for i in known], np.int32))
    found = figures_of_lists(flags, np.diff(offsets), cutoffs)
    return {name: column.tolist() for name, column in zip(names(cutoffs), found.T, strict=True)}


@given(USERS)
def test_they_are_those_of_trec_eval_for_every_user(users: list[User]) -> None:
    qrels = [ir_measures.Qrel(str(u), str(i), 1) for u, (_, relevant) in enumerate(users) for i in relevant]
    run = [
        ir_measures.ScoredDoc(str(u), str(item), -float(rank))
        for u, (items, _) in enumerate(users)
        for rank, item in enumerate(items)
    ]
    measures = {str(THEIRS[metric] @ k): f"{metric}@{k}" for metric in METRICS for k in K}
    theirs = {
        (measures[str(m.measure)], int(m.query_id)): m.value
        for m in ir_measures.iter_calc([THEIRS[metric] @ k for metric in METRICS for k in K], qrels, run)
    }
    ours = figures(users)
    for name in names(K):
        for user, (items, _) in enumerate(users):
            # a user with an empty list is not in their run, and counts 0
            expected = theirs.get((name, user), 0.0) if items else 0.0
            assert ours[name][user] == pytest.approx(expected, abs=1e-9)


def test_a_list_that_is_shorter_than_k_lacks_what_is_missing() -> None:
    found = figures([([5], {5, 6})], (10,))
    assert found["precision@10"] == [0.1]
    assert found["recall@10"] == [0.5]
    assert found["ndcg@10"][0] == pytest.approx(1 / (1 + 1 / np.log2(3)))


def test_nothing_relevant_in_a_list_gives_zeros_and_so_does_an_empty_list() -> None:
    for users in ([([1, 2], {3})], [([], {3})]):
        assert all(value == [0.0] for value in figures(users).values())


def test_more_relevant_items_than_k_do_not_keep_the_best_list_from_1() -> None:
    found = figures([([1, 2, 3], {1, 2, 3, 4, 5})], (3,))
    assert found["ndcg@3"] == [1.0]
    assert found["recall@3"] == [0.6]


def test_entries_behind_the_end_of_a_list_are_not_relevant() -> None:
    items = np.array([[4, 7, 7]], np.int32)
    flags = relevant_entries(items, np.array([2]), np.array([0, 2]), np.array([4, 7], np.int32))
    assert flags.tolist() == [[True, True, False]]


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40))
def test_gini_is_the_mean_difference_of_two_items_in_units_of_twice_the_mean(exposure: list[int]) -> None:
    x: F32 = np.array(exposure, np.float32)
    mean = float(x.mean(dtype=np.float64))
    expected = float(np.abs(x[:, None] - x[None, :]).mean(dtype=np.float64)) / (2 * mean) if mean else 0.0
    assert gini(x) == pytest.approx(expected, abs=1e-6)


def test_gini_of_one_item_that_has_everything() -> None:
    assert gini([0, 0, 0, 8]) == 0.75
    assert gini([2, 2, 2]) == 0.0
