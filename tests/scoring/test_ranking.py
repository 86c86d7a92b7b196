"""Given pairs, ranked: every one comes back, once, in the order of a brute force."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recsys_spark.kernels.scorer import DenseLayer, PairScorer
from recsys_spark.scoring.ranking import RankingPlan, rank_pairs

N_USERS, N_ITEMS = 7, 9
COLD_USER, UNTRAINED_ITEM = 2, 4
RNG = np.random.default_rng(3)
EVERY_PAIR = list(itertools.product(range(N_USERS), range(N_ITEMS)))
Answer = dict[tuple[str, str], tuple[int | None, float | None, str]]


def table(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


DOT = PairScorer(table(N_USERS, 4), table(N_ITEMS, 4), table(N_USERS), table(N_ITEMS), offset=3.0)
DEEP = PairScorer(
    table(N_USERS, 3),
    table(N_ITEMS, 2),
    layers=(DenseLayer(table(5, 6), table(6), "relu"), DenseLayer(table(6, 1), table(1), "linear")),
)
LATER_IS_BETTER = PairScorer(
    np.zeros((N_USERS, 0), np.float32),
    np.zeros((N_ITEMS, 0), np.float32),
    np.zeros(N_USERS, np.float32),
    np.arange(N_ITEMS, dtype=np.float32),
)
"""The fallback."""


def answer(spark: SparkSession, pairs: list[tuple[int, int]], scorer: PairScorer, *, partitions: int = 2) -> Answer:
    """Rank, score and reason by ids: those of user 3 and item 5 are `u3` and `i5`."""
    users = spark.createDataFrame([(f"u{u}", u) for u in range(N_USERS)], "user_id string, user_index int")
    items = spark.createDataFrame([(f"i{i}", i) for i in range(N_ITEMS)], "item_id string, item_index int")
    given = spark.createDataFrame([(f"u{u}", f"i{i}") for u, i in pairs], "user_id string, item_id string")
    trained = np.arange(N_USERS) != COLD_USER, np.arange(N_ITEMS) != UNTRAINED_ITEM
    plan = RankingPlan(scorer, LATER_IS_BETTER, *trained)
    rows = rank_pairs(given.repartition(partitions), users, items, plan).collect()
    found = {(row["user_id"], row["item_id"]): (row["rank"], row["score"], row["reason"]) for row in rows}
    assert len(found) == len(rows)
    return found


def brute_force(scorer: PairScorer, user: int, items: list[int]) -> dict[tuple[str, str], Any]:
    ranked = [item for item in items if item != UNTRAINED_ITEM]
    by, reason = (LATER_IS_BETTER, "cold_fallback") if user == COLD_USER else (scorer, "model")
    scores = by.score(np.full(N_ITEMS, user, np.int32), np.arange(N_ITEMS, dtype=np.int32))
    best = sorted(ranked, key=lambda i: (-scores[i], i))
    found: dict[tuple[str, str], Any] = {
        (f"u{user}", f"i{i}"): (best.index(i) + 1, float(by.published(scores[[i]])[0]), reason) for i in ranked
    }
    return found | {(f"u{user}", f"i{i}"): (None, None, "untrained_item") for i in items if i == UNTRAINED_ITEM}


@pytest.mark.parametrize("scorer", [DOT, DEEP], ids=["dot", "deep"])
def test_ranks_and_scores_are_those_of_a_brute_force(spark: SparkSession, scorer: PairScorer) -> None:
    some = [pair for pair in EVERY_PAIR if sum(pair) % 4]
    expected: dict[tuple[str, str], Any] = {}
    for user in range(N_USERS):
        expected |= brute_force(scorer, user, [i for u, i in some if u == user])

    assert answer(spark, some, scorer) == expected


def test_every_different_pair_comes_back_once(spark: SparkSession) -> None:
    found = answer(spark, [*EVERY_PAIR, *EVERY_PAIR[::2], *EVERY_PAIR[:3]], DOT, partitions=5)

    assert found == answer(spark, EVERY_PAIR, DOT)
    assert len(found) == len(EVERY_PAIR)


def test_unknown_ids_come_back_without_a_rank_and_take_none_away(spark: SparkSession) -> None:
    unknown_user, unknown_item = N_USERS + 5, N_ITEMS + 5

    found = answer(spark, [(0, 1), (0, unknown_item), (unknown_user, 1), (unknown_user, unknown_item)], DOT)

    assert {pair: (row[0], row[2]) for pair, row in found.items()} == {
        ("u0", "i1"): (1, "model"),
        ("u0", f"i{unknown_item}"): (None, "unknown_item"),
        (f"u{unknown_user}", "i1"): (None, "unknown_user"),
        (f"u{unknown_user}", f"i{unknown_item}"): (None, "unknown_user"),
    }


def test_equal_scores_go_by_the_items_index(spark: SparkSession) -> None:
    flat = PairScorer(np.zeros((N_USERS, 1), np.float32), np.zeros((N_ITEMS, 1), np.float32))

    found = answer(spark, [(0, 8), (0, 1), (0, 3)], flat)

    assert [found["u0", f"i{i}"][0] for i in (1, 3, 8)] == [1, 2, 3]


def test_scores_are_clipped_and_ranks_are_those_of_the_unclipped_ones(spark: SparkSession) -> None:
    one_user = [(0, i) for i in range(N_ITEMS)]

    plain, clipped = answer(spark, one_user, DOT), answer(spark, one_user, replace(DOT, clip=(2.9, 3.1)))

    assert {pair: row[0] for pair, row in plain.items()} == {pair: row[0] for pair, row in clipped.items()}
    bounds = np.float32([2.9, 3.1])
    assert {row[1] for row in clipped.values() if row[1] is not None} >= set(bounds.tolist())
    for pair, (_, score, _) in plain.items():
        assert clipped[pair][1] == (None if score is None else float(np.clip(np.float32(score), *bounds)))


def test_a_score_that_overflows_is_none_and_the_others_keep_their_ranks(spark: SparkSession) -> None:
    vectors = np.ones((N_ITEMS, 2), np.float32)
    vectors[5] = [3e38, 3e38]
    vectors[6] = [3e38, -3e38]  # inf - inf
    overflowing = PairScorer(np.full((N_USERS, 2), 10, np.float32), vectors)

    found = answer(spark, [(0, i) for i in (1, 5, 6, 7)], overflowing)

    assert [found["u0", f"i{i}"] for i in (5, 6)] == [(None, None, "score_not_finite")] * 2
    assert [found["u0", f"i{i}"][0] for i in (1, 7)] == [1, 2]
