"""Item-item baselines are what their papers say, and refuse catalogues that are too large for them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from recsys_spark.errors import DataError
from recsys_spark.evaluation.item_models import ease, item_knn, liked_rows
from recsys_spark.evaluation.settings import EaseSettings, ItemKnnSettings
from recsys_spark.kernels.arrays import F32
from recsys_spark.kernels.scorer import PairScorer

N_USERS, N_ITEMS = 30, 12


@pytest.fixture(scope="module")
def liked() -> F32:
    """The last item is liked by nobody."""
    rows = (np.random.default_rng(1).random((N_USERS, N_ITEMS)) < 0.3).astype(np.float32)
    rows[:, -1] = 0
    return rows


def scores(scorer: PairScorer) -> F32:
    """f32[n_users, n_items]"""
    users, items = np.divmod(np.arange(N_USERS * N_ITEMS, dtype=np.int32), np.int32(N_ITEMS))
    return scorer.score(users.astype(np.int32), items.astype(np.int32)).reshape(N_USERS, N_ITEMS)


def test_rows_of_ones_stand_where_something_is_liked() -> None:
    pairs = pa.table({"user_index": pa.array([0, 2, 2], pa.int32()), "item_index": pa.array([1, 0, 3], pa.int32())})
    rows = liked_rows(pairs, n_users=3, n_items=4, baseline="ease")
    assert rows.tolist() == [[0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1]]


@pytest.mark.parametrize(("n_users", "n_items"), [(1_000_000, 5_000), (10, 40_000)])
def test_what_would_not_fit_is_refused_by_name(n_users: int, n_items: int) -> None:
    none = pa.table({"user_index": pa.array([], pa.int32()), "item_index": pa.array([], pa.int32())})
    with pytest.raises(DataError, match=r"evaluation.baselines: item_knn: expected at most 4 GiB") as refused:
        liked_rows(none, n_users=n_users, n_items=n_items, baseline="item_knn")
    assert "als_implicit" in refused.value.hint


def test_ease_is_the_best_linear_model_without_an_item_s_own_weight(liked: F32) -> None:
    scorer = ease(liked, EaseSettings(l2=3.0))
    weights, x = scorer.item.T.astype(np.float64), liked.astype(np.float64)
    np.testing.assert_allclose(scores(scorer), x @ weights, atol=1e-5)
    # where the squared error with its penalty is least, its gradient is zero by every weight but an item's own
    gradient = (x.T @ x + 3.0 * np.eye(N_ITEMS)) @ weights - x.T @ x
    assert not np.diag(weights).any()
    np.testing.assert_allclose(gradient - np.diag(np.diag(gradient)), 0, atol=1e-4)
    assert np.abs(weights).max() > 0.05


@pytest.mark.parametrize("neighbours", [3, 50])
def test_item_knn_adds_the_similarities_of_the_nearest_items(liked: F32, neighbours: int) -> None:
    found = scores(item_knn(liked, ItemKnnSettings(neighbours=neighbours, shrinkage=2.0)))

    n = liked.sum(axis=0)
    for item in range(N_ITEMS):
        similar = {
            other: float((liked[:, item] * liked[:, other]).sum()) / (np.sqrt(n[item] * n[other]) + 2.0)
            for other in range(N_ITEMS)
            if other != item
        }
        nearest = sorted(similar, key=lambda other: (-np.float32(similar[other]), other))[:neighbours]
        for user in range(N_USERS):
            expected = sum(similar[other] for other in nearest if liked[user, other])
            assert found[user, item] == pytest.approx(expected, abs=1e-5)
