"""The multilayer perceptron keeps the contract with every activation, and drops out only while it is trained."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from recsys_spark.models.mlp import Mlp
from recsys_spark.models.settings import Activation, MlpSettings
from recsys_spark.models.sides import Sides
from tests.contracts.model import N_ITEMS, N_USERS, WarmModelContract


class TestMlp(WarmModelContract):
    settings = MlpSettings(embedding_size=8, layers=(32, 8), dropout=0.05, l2=0.0001)


class TestHybrid(WarmModelContract):
    settings = MlpSettings(embedding_size=8, embedding_dropout=0.02, layers=(32,))
    training = {"epochs": 25, "batch_size": 64, "learning_rate": 0.03}

    @classmethod
    def sides(cls, n_users: int = N_USERS, n_items: int = N_ITEMS) -> Sides:
        # the first rows are the same however many there are
        of_users, of_items = (np.random.default_rng(seed).random((50, 3), np.float32) for seed in (4, 5))
        return Sides(n_users, n_items, user_features=of_users[:n_users], item_features=of_items[:n_items])


@pytest.mark.parametrize("activation", get_args(Activation))
def test_every_activation_is_exported_as_keras_computes_it(activation: Activation) -> None:
    model = Mlp(MlpSettings(embedding_size=3, layers=(20, 10), activation=activation))
    network = model.build(Sides(20, 20))
    random = np.random.default_rng(0)
    # weights wide enough to reach both sides of every activation, and biases that are not zero
    network.set_weights([random.normal(0, 1, weights.shape) for weights in network.get_weights()])
    users, items = (np.ravel(index).astype(np.int32) for index in np.mgrid[:20, :20])
    expected = 2.0 * network.predict({"user": users, "item": items}, verbose=0)[:, 0] + 3.0
    actual = model.export(network, scale=2.0, offset=3.0, clip=None)["main"].score(users, items)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5 * np.std(expected))


def test_dropout_stands_before_each_dense_layer_and_changes_training_only() -> None:
    network = Mlp(MlpSettings(embedding_size=4, layers=(16, 8), dropout=0.5)).build(Sides(5, 5))
    order = [layer.name for layer in network.layers if layer.name.startswith(("dropout", "dense"))]
    assert order == ["dropout_0", "dense_0", "dropout_1", "dense_1", "dropout_2", "dense_2"]
    pairs = {"user": np.arange(5, dtype=np.int32), "item": np.arange(5, dtype=np.int32)}
    assert (np.asarray(network(pairs)) == np.asarray(network(pairs))).all()
    assert (np.asarray(network(pairs, training=True)) != np.asarray(network(pairs, training=True))).any()
