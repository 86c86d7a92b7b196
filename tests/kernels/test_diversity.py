"""Choices are those of the formula, one after the other, by numpy in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_spark.kernels.diversity import Diversity, similarity
from recsys_spark.kernels.lists import TopN
from recsys_spark.kernels.scorer import PairScorer


def scorer(seed: int, n_items: int, width: int) -> PairScorer:
    item = np.random.default_rng(seed).normal(size=(n_items, width)).astype(np.float32)
    item[:: max(n_items // 3, 1)] = 0
    return PairScorer(np.zeros((1, width), np.float32), item)


def pools(seed: int, n_items: int, size: int, counts: list[int]) -> TopN:
    random = np.random.default_rng(seed)
    lists = TopN.empty(len(counts), size)
    for row, count in enumerate(counts):
        lists.items[row, :count] = random.permutation(n_items)[:count]
        lists.scores[row, :count] = np.sort(random.normal(size=count))[::-1]
        lists.counts[row] = count
    return lists


def by_formula(units: np.ndarray, items: np.ndarray, scores: np.ndarray, relevance: float, n: int) -> list[int]:
    span = float(scores[0]) - float(scores[-1])
    relative = (scores.astype(float) - scores[-1]) / span if span > 0 else np.zeros(len(scores))
    cosines = units[items].astype(float) @ units[items].T.astype(float)
    chosen: list[int] = []
    while len(chosen) < min(n, len(items)):
        near = cosines[:, chosen].max(axis=1) if chosen else np.zeros(len(items))
        value = relevance * relative - (1 - relevance) * near
        value[chosen] = -np.inf
        chosen.append(int(value.argmax()))
    return [int(items[i]) for i in chosen]


@given(
    seed=st.integers(0, 10_000),
    relevance=st.sampled_from([0.05, 0.5, 0.9, 1.0]),
    counts=st.lists(st.integers(0, 12), min_size=1, max_size=4),
    n=st.integers(1, 15),
    width=st.integers(1, 6),
)
@settings(deadline=None, max_examples=150)
def test_choices_are_those_of_the_formula(seed: int, relevance: float, counts: list[int], n: int, width: int) -> None:
    diversity = Diversity.of(scorer(seed, 30, width), pool=12, relevance=relevance)
    given_pools = pools(seed, 30, 12, counts)
    found = diversity.in_order_of_choice(given_pools, n)
    for row, count in enumerate(counts):
        items, scores = given_pools.items[row, :count], given_pools.scores[row, :count]
        expected = by_formula(diversity.units, items, scores, relevance, n) if count else []
        assert found.items[row, : found.counts[row]].tolist() == expected
        assert (found.items[row, found.counts[row] :] == -1).all()
    lists = diversity.chosen(given_pools, n)
    for row in range(len(counts)):
        mine = lists.scores[row, : lists.counts[row]]
        assert (np.diff(mine) <= 0).all()
        assert set(lists.items[row].tolist()) == set(found.items[row].tolist())


def test_by_score_alone_a_list_is_the_head_of_its_pool() -> None:
    for relevance in (None, 1.0):
        given_pools = pools(3, 30, 12, [12, 5])
        found = Diversity.of(scorer(3, 30, 4), pool=12, relevance=relevance).chosen(given_pools, 6)
        np.testing.assert_array_equal(found.items[0], given_pools.items[0, :6])
        np.testing.assert_array_equal(found.items[1, :5], given_pools.items[1, :5])


def test_a_copy_of_what_is_chosen_waits() -> None:
    item = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    copies = PairScorer(np.zeros((1, 2), np.float32), item)
    lists = TopN.empty(1, 3)
    lists.items[0], lists.scores[0], lists.counts[0] = [0, 1, 2], [1.0, 0.9, 0.3], 3
    assert Diversity.of(copies, pool=3, relevance=0.5).chosen(lists, 2).items.tolist() == [[0, 2]]
    assert Diversity.of(copies, pool=3, relevance=0.99).chosen(lists, 2).items.tolist() == [[0, 1]]


def test_similarity_is_the_mean_cosine_of_pairs() -> None:
    units = Diversity.of(scorer(1, 9, 3), pool=1, relevance=0.5).units
    items = np.array([[1, 2, 4], [1, 5, 0], [7, 0, 0]], np.int32)
    found = similarity(units, items, np.array([3, 2, 1]))
    cosine = units.astype(float) @ units.T.astype(float)
    assert found == pytest.approx([(cosine[1, 2] + cosine[1, 4] + cosine[2, 4]) / 3, cosine[1, 5], 0], abs=1e-7)
