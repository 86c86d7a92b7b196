"""On Spark, in whatever partitions, caps deal out the lists that one process deals out."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recsys_spark.scoring.caps import capped, item_bounds, most_lists
from recsys_spark.scoring.settings import DiversitySettings
from tests.kernels.test_caps import N_ITEMS, by_bounds

N_USERS, N, MOST = 60, 3, 14
RANDOM = np.random.default_rng(0)
POPULAR = 1 / np.arange(1, N_ITEMS + 1)
CHOICES = [
    RANDOM.choice(N_ITEMS, size=size, replace=False, p=POPULAR / POPULAR.sum()).tolist()
    for size in RANDOM.integers(0, N_ITEMS, N_USERS)
]
SCORES = [RANDOM.random(len(own)).astype(np.float32).tolist() for own in CHOICES]
SCHEMA = "user_id string, user_index int, item_ids array<string>, item_indices array<int>, scores array<float>"


@pytest.mark.parametrize("partitions", [1, 5])
def test_lists_are_dealt_out_alike_in_any_partitions(spark: SparkSession, partitions: int) -> None:
    rows = [(f"u{u}", u, [f"i{i}" for i in own], own, SCORES[u]) for u, own in enumerate(CHOICES)]
    pools = spark.createDataFrame(rows, SCHEMA).repartition(partitions)
    told: list[str] = []
    bounds = item_bounds(pools, n_items=N_ITEMS, n=N, most_lists=MOST, say=told.append)
    lists = capped(pools, bounds, n=N).collect()

    expected, of_one_process = by_bounds(list(range(N_USERS)), CHOICES, N, MOST)
    np.testing.assert_array_equal(bounds, of_one_process)
    assert len(told) > 1
    assert f"in more than {MOST} lists" in told[0]
    assert len(lists) == N_USERS
    for row in lists:
        own = dict(zip(CHOICES[row["user_index"]], SCORES[row["user_index"]], strict=True))
        wanted = sorted(expected[row["user_index"]], key=lambda item: -own[item])
        assert row["item_indices"] == wanted
        assert row["item_ids"] == [f"i{item}" for item in wanted]
        assert row["scores"] == [own[item] for item in wanted]
        assert row["user_id"] == f"u{row['user_index']}"
    used = np.bincount([item for row in lists for item in row["item_indices"]], minlength=N_ITEMS)
    assert used.max() == MOST


@pytest.mark.parametrize(("share", "lists", "most"), [(0.1, 60, 6), (0.3, 10, 3), (0.001, 60, 1), (1.0, 7, 7)])
def test_a_share_of_lists_is_at_least_one(share: float, lists: int, most: int) -> None:
    assert most_lists(DiversitySettings(max_share=share), lists) == most
