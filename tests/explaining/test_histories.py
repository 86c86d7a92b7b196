"""What items of a history have to do with a score: neighbours, sums, and each left out once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_spark.errors import DataError
from recsys_spark.explaining import histories
from recsys_spark.explaining.explain import explain
from recsys_spark.explaining.explanation import HistoryParts
from recsys_spark.explaining.histories import history_parts, nearest_items
from recsys_spark.explaining.model import ExplainedModel
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.folds import Histories, fold_of, history_scorer
from recsys_spark.training.recency import Recency

N_ITEMS = 12
IALS = {"name": "ials", "unobserved_weight": 0.1, "l2": 0.05, "l2_exponent": 0.7}
JOINT = IALS | {"name": "joint", "rating_l2": 0.02}
SEEDS = st.integers(0, 2**32 - 1)


def table(random: np.random.Generator, *shape: int) -> np.ndarray:
    return random.normal(size=shape).astype(np.float32)


def models(seed: int) -> dict[str, ExplainedModel]:
    """One model of each kind that folds in, by made-up numbers; item 4 was never trained."""
    random = np.random.default_rng(seed)
    item = table(random, N_ITEMS, 3)
    item[4] = 0
    plain = PairScorer(table(random, 2, 3), item)
    rating = PairScorer(table(random, 2, 3), item, table(random, 2), table(random, N_ITEMS), scale=1.5, offset=3.0)
    tower = {"main": replace(plain, item_bias=table(random, N_ITEMS)), "history": history_scorer(item[::-1].copy(), 2)}
    no_bias = replace(rating, user_bias=None, item_bias=None)
    weighted = fold_of(IALS, {"main": plain}, liked_at=3.0, weighted=True)
    both = {"main": plain, "rating": rating}
    return {
        "ials": ExplainedModel(plain, fold=weighted),
        "joint": ExplainedModel(plain, fold=fold_of(JOINT, both, liked_at=3.0)),
        "ratings of joint": ExplainedModel(rating, of="rating", fold=fold_of(JOINT, both, liked_at=3.0)),
        "dot": ExplainedModel(rating, fold=fold_of({"name": "dot", "l2": 0.01}, {"main": rating}, liked_at=None)),
        "dot without biases": ExplainedModel(
            no_bias, fold=fold_of({"name": "dot", "l2": 0.01}, {"main": no_bias}, liked_at=None, mean_weight=0.7)
        ),
        "softmax": ExplainedModel(tower["main"], fold=fold_of({"name": "softmax"}, tower, liked_at=3.0)),
    }


KINDS = list(models(0))


def history_of(seed: int, *, aged: bool = False) -> Histories:
    random = np.random.default_rng(seed + 1)
    n = int(random.integers(1, N_ITEMS))
    items = np.sort(random.permutation(N_ITEMS)[:n]).astype(np.int32)
    ratings = random.integers(1, 6, n).astype(np.float32)
    weights = random.uniform(0.1, 1, n).astype(np.float32) if aged else None
    return Histories(np.array([0, n], np.int64), items, ratings, weights)


def parts(model: ExplainedModel, item: int, history: Histories) -> HistoryParts:
    found = history_parts(model, item, history)
    assert found is not None
    return found


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "softmax"])
@given(seed=SEEDS, aged=st.booleans())
def test_shares_add_up_to_the_score_of_the_vector_that_the_history_makes(kind: str, seed: int, aged: bool) -> None:
    model, history = models(seed)[kind], history_of(seed, aged=aged)
    item = seed % N_ITEMS

    found = parts(model, item, history)

    assert model.fold is not None
    side = model.fold.sides(history)[model.of]
    alone = replace(model.scorer, user=side.user, user_bias=side.bias)
    assert found.kind == "sum"
    assert found.score == alone.score(np.zeros(1, np.int32), np.array([item], np.int32))[0]
    total = found.base + sum(share.change for share in found.shares)
    size = 1 + abs(found.base) + sum(abs(share.change) for share in found.shares)
    size += float(np.abs(side.user).max(initial=0)) * float(np.abs(model.scorer.item[item]).sum()) * model.scorer.scale
    assert total == pytest.approx(found.score, abs=1e-5 * size)
    assert 4 not in {share.item for share in found.shares}


@given(seed=SEEDS, aged=st.booleans())
def test_a_tower_is_asked_again_without_each_item(seed: int, aged: bool) -> None:
    model, history = models(seed)["softmax"], history_of(seed, aged=aged)
    item = seed % N_ITEMS

    found = parts(model, item, history)

    assert found.kind == "left_out"
    for share in found.shares:
        others = np.flatnonzero(history.items != share.item)
        fewer = Histories(np.array([0, len(others)], np.int64), history.items[others], history.ratings[others], None)
        assert share.change == pytest.approx(found.score - parts(model, item, fewer).score, abs=1e-6)
    # what is no like says nothing
    likes = set(history.items[(history.ratings >= 3)].tolist())
    assert {share.item for share in found.shares} <= likes
    assert [abs(s.change) for s in found.shares] == sorted((abs(s.change) for s in found.shares), reverse=True)


def test_histories_that_are_left_out_piece_by_piece_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model, history = models(3)["softmax"], history_of(8)
    assert len(history.items) > 3
    whole = parts(model, 2, history)

    monkeypatch.setattr(histories, "_ENTRIES_AT_ONCE", 1)

    assert parts(model, 2, history) == whole


def test_a_history_of_nothing_leaves_the_base() -> None:
    nothing = Histories(np.array([0, 0], np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))
    for model in models(5).values():
        found = parts(model, 1, nothing)
        assert found.shares == ()
        assert found.base == pytest.approx(found.score, abs=1e-6)


def test_the_nearest_items_are_those_of_the_highest_cosine_with_their_ratings() -> None:
    item = np.array([[1, 0], [2, 0], [1, 1], [0, 1], [0, 0], [-1, 0], [3, 0]], np.float32)
    scorer = PairScorer(np.ones((1, 2), np.float32), item)
    everything = Histories(np.array([0, 7]), np.arange(7, dtype=np.int32), np.arange(7, dtype=np.float32) / 2)

    found = nearest_items(scorer, 0, everything, n=4)

    assert [(n.item, n.rating, round(n.cosine, 6)) for n in found] == [
        (1, 0.5, 1.0),
        (6, 3.0, 1.0),
        (2, 1.0, 0.707107),
        (3, 1.5, 0.0),
    ]


def test_items_that_came_after_the_fit_are_left_out_of_a_history() -> None:
    model = replace(models(1)["dot"], recency=Recency(half_life=10.0, newest=100.0, oldest=50.0))

    history = model.history(
        np.array([3, N_ITEMS, 5]), np.array([1, 2, 3], np.float32), np.array([100, 100, np.nan], np.float32)
    )

    assert history.items.tolist() == [3, 5]
    assert history.ratings.tolist() == [1, 3]
    assert history.weights is not None
    np.testing.assert_allclose(history.weights, [1, 2.0**-5], rtol=1e-6)
    assert explain(model, 0, 1, history).history is not None


@pytest.mark.parametrize(("items", "ratings"), [([1, 2], [1.0]), ([-1], [1.0])])
def test_a_history_of_unequal_lengths_or_of_no_indices_is_refused(items: list[int], ratings: list[float]) -> None:
    with pytest.raises(DataError, match="history"):
        models(1)["dot"].history(np.array(items), np.array(ratings, np.float32))
