"""The best users of each item: the rows of a brute force, whatever the tasks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from recsys_spark.kernels.scorer import DenseLayer, PairScorer
from recsys_spark.kernels.top_n import Kernel
from recsys_spark.schemas import PinnedIds
from recsys_spark.scoring import shipping
from recsys_spark.scoring.top_users import TopUsersPlan, items_with_seen, stage_user_lists
from recsys_spark.storage import Folder

N_USERS, N_ITEMS, N = 40, 25, 5
NOT_IN_A_LIST, SEEN_BY_NOBODY, SEEN_BY_ALL, NO_CANDIDATE = 3, 4, 5, 11
RNG = np.random.default_rng(7)
SEEN = {
    u: sorted({*RNG.choice(N_ITEMS, size=RNG.integers(0, 12), replace=False).tolist(), SEEN_BY_ALL} - {SEEN_BY_NOBODY})
    for u in range(N_USERS)
}
IDS = PinnedIds(user="string", item="long")
Lists = dict[int, tuple[list[int], list[float], bool]]


def table(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


DOT = PairScorer(table(N_USERS, 6), table(N_ITEMS, 6), table(N_USERS), table(N_ITEMS), scale=1.5, offset=3.0)
DEEP = PairScorer(
    table(N_USERS, 4),
    table(N_ITEMS, 3),
    layers=(DenseLayer(table(7, 8), table(8), "relu"), DenseLayer(table(8, 1), table(1), "linear")),
)


def plan(scorer: PairScorer, *, n: int = N, kernel: Kernel = "auto") -> TopUsersPlan:
    users = np.array([u for u in range(N_USERS) if u != NOT_IN_A_LIST], np.int32)
    return TopUsersPlan(scorer, users, pa.array([f"user-{u}" for u in range(N_USERS)]), n, kernel)


@pytest.fixture(scope="module")
def items(spark: SparkSession) -> DataFrame:
    rows = [(1000 + i, i) for i in range(N_ITEMS) if i != NO_CANDIDATE]
    return spark.createDataFrame(rows, "item_id long, item_index int")


@pytest.fixture(scope="module")
def users(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(list(SEEN.items()), "user_index int, seen array<int>")


def lists(items: DataFrame, users: DataFrame, plan: TopUsersPlan, folder: Path) -> Lists:
    """Users, scores and whether these are finite, by item."""
    target = Folder(str(folder / "lists"))
    work = stage_user_lists(items, users, plan, IDS, target, n_items=N_ITEMS - 1)
    rows = items.sparkSession.read.parquet(str(target)).collect()
    assert work.users == len(rows) == N_ITEMS - 1
    assert all(row["item_id"] == 1000 + row["item_index"] for row in rows)
    assert all([f"user-{u}" for u in row["user_indices"]] == row["user_ids"] for row in rows)
    return {row["item_index"]: (row["user_indices"], row["scores"], row["finite"]) for row in rows}


def brute_force(scorer: PairScorer) -> Lists:
    found = {}
    for item in set(range(N_ITEMS)) - {NO_CANDIDATE}:
        scores = scorer.score(np.arange(N_USERS, dtype=np.int32), np.full(N_USERS, item, np.int32))
        unseen = [u for u in range(N_USERS) if u != NOT_IN_A_LIST and item not in SEEN[u]]
        best = sorted(unseen, key=lambda u: (-scores[u], u))[:N]
        found[item] = (best, [float(scores[u]) for u in best], True)
    return found


@pytest.mark.parametrize("scorer", [DOT, DEEP], ids=["dot", "deep"])
@pytest.mark.parametrize("kernel", ["plain", "screen"])
def test_each_list_is_that_of_a_brute_force_to_the_bit(
    items: DataFrame, users: DataFrame, scorer: PairScorer, kernel: Kernel, tmp_path: Path
) -> None:
    found = lists(items, users, plan(scorer, kernel=kernel), tmp_path)

    assert found == brute_force(scorer)
    assert (len(found[SEEN_BY_NOBODY][0]), found[SEEN_BY_ALL][0]) == (N, [])


def test_vectors_in_a_mapped_file_change_no_row(
    items: DataFrame, users: DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "LEAST_IN_A_FILE", 1)

    assert lists(items, users, plan(DOT), tmp_path) == brute_force(DOT)


def test_equal_scores_go_by_the_users_index(items: DataFrame, users: DataFrame, tmp_path: Path) -> None:
    flat = PairScorer(np.zeros((N_USERS, 1), np.float32), np.zeros((N_ITEMS, 1), np.float32))

    assert lists(items, users, plan(flat), tmp_path)[SEEN_BY_NOBODY][0] == [0, 1, 2, 4, 5]


def test_lists_are_as_long_as_there_are_users_who_have_not_seen_the_item(
    items: DataFrame, users: DataFrame, tmp_path: Path
) -> None:
    found = lists(items, users, plan(DOT, n=1000), tmp_path)

    assert {item: sorted(row[0]) for item, row in found.items()} == {
        item: [u for u in range(N_USERS) if u != NOT_IN_A_LIST and item not in SEEN[u]] for item in found
    }


def test_published_scores_are_clipped_and_the_order_is_not(items: DataFrame, users: DataFrame, tmp_path: Path) -> None:
    found = lists(items, users, plan(replace(DOT, clip=(2.5, 3.5))), tmp_path)

    expected = brute_force(DOT)
    assert {item: row[0] for item, row in found.items()} == {item: row[0] for item, row in expected.items()}
    for item, (_, scores, _) in expected.items():
        assert found[item][1] == np.clip(np.float32(scores), 2.5, 3.5).tolist()


def test_an_item_whose_scores_overflow_has_no_list_and_no_other_item_suffers(
    items: DataFrame, users: DataFrame, tmp_path: Path
) -> None:
    vectors = DOT.item.copy()
    vectors[SEEN_BY_NOBODY] = 3e38

    found = lists(items, users, plan(PairScorer(DOT.user * np.float32(100), vectors)), tmp_path)

    assert found[SEEN_BY_NOBODY] == ([], [], False)
    assert [item for item, row in found.items() if not row[2]] == [SEEN_BY_NOBODY]


@pytest.mark.parametrize("tasks", [1, 3])
def test_lists_turned_round_have_a_row_for_each_item_and_ascending_users(
    items: DataFrame, users: DataFrame, tasks: int
) -> None:
    turned = items_with_seen(items, users.repartition(4), tasks=tasks)

    rows = turned.collect()
    assert turned.rdd.getNumPartitions() == tasks
    assert sorted((row["item_index"], row["item_id"], row["seen"]) for row in rows) == [
        (i, 1000 + i, [u for u in range(N_USERS) if i in SEEN[u]]) for i in range(N_ITEMS) if i != NO_CANDIDATE
    ]
