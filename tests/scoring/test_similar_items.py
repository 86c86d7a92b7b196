"""The most similar items of each item: the rows of a brute force to the bit, whatever the tasks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from recsys_spark.kernels.similarity import compared, unit_rows
from recsys_spark.kernels.top_n import Kernel
from recsys_spark.schemas import PinnedIds
from recsys_spark.scoring import shipping
from recsys_spark.scoring.similar_items import SimilarItemsPlan, similar_lists, stage_similar_items
from recsys_spark.storage import Folder

IDS = PinnedIds(user="long", item="string")
N_ITEMS, N = 40, 5
NOT_COMPARED = 11
Lists = dict[int, tuple[list[int], list[float], bool]]


def vectors_of(seed: int, *, equal: bool = False) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(N_ITEMS, 6)).astype(np.float32)
    if equal:
        # many have the same vector, so that ties are the rule
        vectors = vectors[np.arange(N_ITEMS) % 4]
    return vectors


def plan(vectors: np.ndarray, *, n: int = N, kernel: Kernel = "auto") -> SimilarItemsPlan:
    items = np.array([i for i in range(len(vectors)) if i != NOT_COMPARED], np.int32)
    ids = pa.array([f"item-{i}" for i in range(len(vectors))])
    return SimilarItemsPlan(compared(vectors), items, ids, n, kernel)


def lists(spark: SparkSession, plan: SimilarItemsPlan, *, tasks: int = 2) -> Lists:
    rows = similar_lists(spark, plan, IDS, tasks=tasks).collect()
    assert sorted(row["item_index"] for row in rows) == plan.items.tolist()
    assert all(row["item_id"] == f"item-{row['item_index']}" for row in rows)
    assert all([f"item-{i}" for i in row["similar_indices"]] == row["similar_ids"] for row in rows)
    return {row["item_index"]: (row["similar_indices"], row["scores"], row["finite"]) for row in rows}


def brute_force(plan: SimilarItemsPlan) -> Lists:
    found = {}
    for item in plan.items.tolist():
        scores = plan.scorer.score(np.full(N_ITEMS, item, np.int32), np.arange(N_ITEMS, dtype=np.int32))
        others = [i for i in plan.items.tolist() if i != item]
        best = sorted(others, key=lambda i: (-scores[i], i))[: plan.n]
        found[item] = (best, [float(scores[i]) for i in best], True)
    return found


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32 - 1),
    equal=st.booleans(),
    kernel=st.sampled_from(["plain", "screen"]),
    tasks=st.integers(1, 4),
    n=st.integers(1, N_ITEMS + 3),
)
def test_each_list_is_that_of_a_brute_force_to_the_bit(
    spark: SparkSession, seed: int, equal: bool, kernel: Kernel, tasks: int, n: int
) -> None:
    asked = plan(unit_rows(vectors_of(seed, equal=equal)), n=n, kernel=kernel)

    assert lists(spark, asked, tasks=tasks) == brute_force(asked)


def test_vectors_in_a_mapped_file_change_no_row_and_the_work_is_told(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "LEAST_IN_A_FILE", 1)
    asked = plan(vectors_of(7))

    work = stage_similar_items(spark, asked, IDS, Folder(str(tmp_path / "lists")))

    rows = spark.read.parquet(str(tmp_path / "lists")).collect()
    assert {row["item_index"]: row["similar_indices"] for row in rows} == {
        item: row[0] for item, row in brute_force(asked).items()
    }
    assert work.users == len(rows) == N_ITEMS - 1
    assert work.scored <= (N_ITEMS - 1) ** 2


def test_an_item_whose_products_overflow_has_no_list(spark: SparkSession) -> None:
    vectors = vectors_of(8)
    # the product with itself is above every float32
    vectors[3] *= np.float32(1e30)

    found = lists(spark, plan(vectors))

    assert found[3] == ([], [], False)
    assert [item for item, row in found.items() if not row[2]] == [3]


def test_a_single_item_is_similar_to_nothing(spark: SparkSession, tmp_path: Path) -> None:
    alone = SimilarItemsPlan(compared(vectors_of(9)), np.array([4], np.int32), pa.array([str(i) for i in range(40)]), N)

    assert lists_of_nobody(spark, alone, tmp_path / "one") == [(4, [])]


def test_no_item_at_all_gives_no_rows(spark: SparkSession, tmp_path: Path) -> None:
    nothing = SimilarItemsPlan(compared(vectors_of(9)), np.empty(0, np.int32), pa.array([str(i) for i in range(40)]), N)

    assert lists_of_nobody(spark, nothing, tmp_path / "none") == []


def lists_of_nobody(spark: SparkSession, plan: SimilarItemsPlan, folder: Path) -> list[tuple[int, list[int]]]:
    assert stage_similar_items(spark, plan, IDS, Folder(str(folder))).users == len(plan.items)
    return [(row["item_index"], row["similar_indices"]) for row in spark.read.parquet(str(folder)).collect()]
