"""Who has other ratings than a model knows gets a vector; nobody else does, and no history is cut in two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from recsys_spark.kernels.digests import history_digests
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.folds import Histories, fold_of
from recsys_spark.scoring.folding import FoldPlan, fold_users, whole_files, whole_users

N_USERS, N_ITEMS, K = 40, 12, 3


def batches_of(users: list[int], sizes: list[int]) -> list[pa.RecordBatch]:
    """Rows of these users, the position of each as its item, cut into batches of these sizes and the rest."""
    columns = {
        "user": pa.array(users, pa.int32()),
        "item": pa.array(range(len(users)), pa.int32()),
        "rating": pa.array([1.0] * len(users), pa.float32()),
    }
    whole, batches, start = pa.RecordBatch.from_pydict(columns), [], 0
    for size in [*sizes, len(users)]:
        batches.append(whole.slice(start, size))
        start += size
    return [batch for batch in batches if batch.num_rows]


@given(users=st.lists(st.integers(0, 9), max_size=30).map(sorted), sizes=st.lists(st.integers(1, 7), max_size=8))
def test_pieces_are_all_rows_in_order_and_each_user_is_in_one(users: list[int], sizes: list[int]) -> None:
    pieces = list(whole_users(batches_of(users, sizes)))
    assert [item for _, items, _, _ in pieces for item in items] == list(range(len(users)))
    seen: set[int] = set()
    for user, item, rating, day in pieces:
        assert len(user) == len(item) == len(rating) == len(day) > 0
        assert not seen & set(user.tolist())
        seen |= set(user.tolist())


@pytest.fixture(scope="module")
def model() -> dict[str, PairScorer]:
    random = np.random.default_rng(4)
    user, item = (random.normal(size=(n, K)).astype(np.float32) for n in (N_USERS, N_ITEMS))
    item[11] = 0
    return {"main": PairScorer(user=user, item=item)}


def test_only_who_has_other_ratings_is_folded_in_as_if_alone(
    spark: SparkSession, tmp_path: Path, model: dict[str, PairScorer]
) -> None:
    random = np.random.default_rng(5)
    rows = [(u, i, float(random.integers(1, 6))) for u in range(N_USERS) for i in range(11) if random.random() < 0.4]
    # of user 39 nothing is known but an item without a vector
    rows = [row for row in rows if row[0] != 39] + [(39, 11, 5.0)]
    user, item, rating = (np.array(column) for column in zip(*rows, strict=True))
    user, item, rating = user.astype(np.int32), item.astype(np.int32), rating.astype(np.float32)
    known = history_digests(user, item, rating, N_USERS)
    changed = [0, 7, 20, 39]
    known[changed] += np.uint64(1)
    settings = {"name": "ials", "unobserved_weight": 0.1, "l2": 0.02, "l2_exponent": 1.0}
    fold = fold_of(settings, model, liked_at=3.0)
    assert fold is not None
    frame = spark.createDataFrame(
        [(int(u), int(i), float(r)) for u, i, r in zip(user, item, rating, strict=True)],
        "user int, item int, rating float",
    )
    frame.repartitionByRange(3, "user").sortWithinPartitions("user", "item").write.parquet(str(tmp_path / "ratings"))
    with whole_files(spark):
        folded = fold_users(spark.read.parquet(str(tmp_path / "ratings")), FoldPlan(fold, known)).collect()

    liked = {u for u in changed if ((user == u) & (rating >= 3) & (item != 11)).any()}
    assert {row["user_index"] for row in folded} == liked >= {0, 7, 20}
    for row in folded:
        mine = user == row["user_index"]
        alone = fold.sides(Histories(np.array([0, mine.sum()]), item[mine], rating[mine]))["main"].user[0]
        np.testing.assert_array_equal(np.array(row["vector"], np.float32), alone)
        assert (row["scorer"], row["bias"]) == ("main", None)
        assert row["digest"] == int(known[row["user_index"]] - np.uint64(1))
