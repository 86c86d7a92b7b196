"""The losses are the formulas in their docstrings, over all pairs, as a plain loop has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recsys_spark.models.registry import model_for
from recsys_spark.models.settings import BprSettings, IalsSettings, JointSettings, SoftmaxSettings
from recsys_spark.models.sides import Sides
from recsys_spark.training.fit import load_keras
from recsys_spark.training.likes import Likes
from recsys_spark.training.objectives.bpr import BprObjective
from recsys_spark.training.objectives.ials import IalsObjective
from recsys_spark.training.objectives.joint import JointObjective
from recsys_spark.training.objectives.objective import UserBatch
from recsys_spark.training.objectives.softmax import SoftmaxObjective

N_USERS, N_ITEMS, K = 4, 7, 3
# nobody likes item 6, user 1 likes nothing
OFFSETS = np.array([0, 2, 2, 5, 6])
ITEMS = np.array([0, 3, 1, 2, 5, 4], np.int32)
WEIGHTS = np.array([1, 2, 1, 0.5, 1, 3], np.float32)
LIKES = Likes(OFFSETS, ITEMS, WEIGHTS, N_ITEMS)
_RATED_WEIGHT = np.linspace(0.5, 2, N_ITEMS)
"""What a rating counts, here by its item."""

OWNERS = np.repeat(np.arange(N_USERS), np.diff(OFFSETS))


@pytest.fixture(scope="module", autouse=True)
def keras() -> Any:
    return load_keras()


def randomised(network: Any, seed: int = 0) -> dict[str, np.ndarray]:
    """Set all weights at random; gives them by layer, in float64. What nobody likes has zeros."""
    random = np.random.default_rng(seed)
    for layer in network.layers:
        weights = [random.normal(size=array.shape).astype(np.float32) for array in layer.get_weights()]
        if layer.name == "item_embedding":
            weights[0][6] = 0
        layer.set_weights(weights)
    return {layer.name: layer.get_weights()[0].astype(np.float64) for layer in network.layers if layer.get_weights()}


def batch(users: list[int], ratings: dict[tuple[int, int], float] | None = None) -> UserBatch:
    places = {user: place for place, user in enumerate(users)}
    mine = np.array([n for n, owner in enumerate(OWNERS) if owner in places], int)
    rated = sorted(((places[u], i, r) for (u, i), r in (ratings or {}).items() if u in places))
    return UserBatch(
        np.array(users, np.int32),
        np.array([places[owner] for owner in OWNERS[mine]], np.int32),
        ITEMS[mine],
        WEIGHTS[mine],
        np.array([row[0] for row in rated], np.int32),
        np.array([row[1] for row in rated], np.int32),
        np.array([_RATED_WEIGHT[row[1]] for row in rated], np.float32),
        np.array([row[2] for row in rated], np.float32),
    )


SEED = np.array([7, 0], np.int32)


def ials_by_hand(settings: IalsSettings | JointSettings, user: np.ndarray, item: np.ndarray) -> float:
    """The mean over the three users with a like of the whole loss."""
    a, l2, e = settings.unobserved_weight, settings.l2, settings.l2_exponent
    known_users, known_items = [0, 2, 3], [0, 1, 2, 3, 4, 5]
    total = sum(w * (1 - user[u] @ item[i]) ** 2 for u, i, w in zip(OWNERS, ITEMS, WEIGHTS, strict=True))
    total += a * sum((user[u] @ item[i]) ** 2 for u in known_users for i in known_items)
    for u in known_users:
        total += l2 * (WEIGHTS[u == OWNERS].sum() + a * len(known_items)) ** e * (user[u] @ user[u])
    for i in known_items:
        total += l2 * (WEIGHTS[i == ITEMS].sum() + a * len(known_users)) ** e * (item[i] @ item[i])
    return float(total / len(known_users))


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_ials_is_the_loss_over_all_pairs(exponent: float) -> None:
    settings = IalsSettings(embedding_size=K, unobserved_weight=0.3, l2=0.02, l2_exponent=exponent)
    network = model_for(settings).build(Sides(N_USERS, N_ITEMS))
    weights = randomised(network)
    objective = IalsObjective(settings, network, LIKES)
    expected = ials_by_hand(settings, weights["user_embedding"], weights["item_embedding"])
    assert float(objective.loss(batch([3, 0, 2]), SEED)) == pytest.approx(expected, rel=1e-5)
    # a batch is a sample of users: its loss is right on average
    each = [float(objective.loss(batch([user]), SEED)) for user in (0, 2, 3)]
    assert np.mean(each) == pytest.approx(expected, rel=1e-5)


def test_joint_adds_the_errors_of_predicted_ratings() -> None:
    settings = JointSettings(embedding_size=K, rating_size=2, rating_l2=0.1)
    network = model_for(settings).build(Sides(N_USERS, N_ITEMS))
    weights = randomised(network)
    ratings = {(0, 0): 1.0, (0, 6): -2.0, (3, 4): 0.5}
    expected = ials_by_hand(settings, weights["user_embedding"], weights["item_embedding"])
    for (u, i), rating in ratings.items():
        p, q = weights["user_rating_embedding"][u], weights["item_rating_embedding"][i]
        b, c = weights["user_bias"][u, 0], weights["item_bias"][i, 0]
        expected += (_RATED_WEIGHT[i] * (rating - p @ q - b - c) ** 2 + 0.1 * (p @ p + q @ q + b**2 + c**2)) / 3
    objective = JointObjective(settings, network, LIKES)
    assert float(objective.loss(batch([0, 2, 3], ratings), SEED)) == pytest.approx(expected, rel=1e-5)


def softmax(settings: SoftmaxSettings, *, counted_twice: bool = False) -> tuple[SoftmaxObjective, float]:
    """The objective with random weights, and the loss over all items by hand, without dropout.

    With `counted_twice` a like stands among the items and once more beside them.
    """
    model, sides = model_for(settings), Sides(N_USERS, N_ITEMS)
    network, tower = model.build(sides), model.build_tower(sides)  # type: ignore[attr-defined]
    weights, history = randomised(network), randomised(tower, 1)["history_embedding"]
    total = 0.0
    for u in (0, 2, 3):
        liked, of_likes = ITEMS[u == OWNERS], WEIGHTS[u == OWNERS]
        vector = history[liked].sum(axis=0) / np.sqrt(len(liked))
        scores = weights["item_embedding"] @ vector + weights["item_bias"][:, 0]
        among = np.exp(scores[:6]).sum() + counted_twice * np.exp(scores[liked])
        share = np.log(among) - scores[liked]
        total += (of_likes / of_likes.sum()) @ share
    return SoftmaxObjective(settings, network, tower, LIKES), total / 3


def test_softmax_is_the_cross_entropy_over_the_items_that_anybody_likes() -> None:
    objective, expected = softmax(SoftmaxSettings(embedding_size=K, dropout=0))
    assert float(objective.loss(batch([0, 2, 3]), SEED)) == pytest.approx(expected, rel=1e-5)


def test_many_drawn_items_stand_for_all_and_the_like_stands_beside_them() -> None:
    many = SoftmaxSettings(embedding_size=K, dropout=0, negatives=200_000)
    objective, full = softmax(many, counted_twice=True)
    assert float(objective.loss(batch([0, 2, 3]), SEED)) == pytest.approx(full, abs=0.02)


def test_dropout_leaves_the_mean_of_a_tower_as_it_is() -> None:
    objective, _ = softmax(SoftmaxSettings(embedding_size=K, dropout=0.5))
    whole, _ = softmax(SoftmaxSettings(embedding_size=K, dropout=0))
    one = batch([0, 2, 3])
    towers = [objective._towers(one, np.array([7, step], np.int32)).numpy() for step in range(400)]
    assert np.std(towers, axis=0).max() > 0.1
    np.testing.assert_allclose(np.mean(towers, axis=0), whole._towers(one, SEED).numpy(), atol=0.3)


def test_bpr_compares_each_like_with_a_drawn_item() -> None:
    settings = BprSettings(embedding_size=K, l2=0.1)
    network = model_for(settings).build(Sides(N_USERS, N_ITEMS))
    weights = randomised(network)
    user, item, bias = (weights[name] for name in ("user_embedding", "item_embedding", "item_bias"))
    objective = BprObjective(settings, network, LIKES)
    expected = 0.0
    for u, i, w in zip(OWNERS, ITEMS, WEIGHTS, strict=True):
        for j in range(6):
            ahead = user[u] @ (item[i] - item[j]) + bias[i, 0] - bias[j, 0]
            squares = user[u] @ user[u] + item[i] @ item[i] + item[j] @ item[j]
            expected += w * (np.log1p(np.exp(-ahead)) + 0.1 * squares) / 6 / 3
    drawn = [float(objective.loss(batch([0, 2, 3]), np.array([7, step], np.int32))) for step in range(800)]
    assert np.mean(drawn) == pytest.approx(expected, abs=4 * np.std(drawn) / np.sqrt(len(drawn)))
