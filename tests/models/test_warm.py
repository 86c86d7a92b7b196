"""A warm start takes what was trained, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recsys_spark.errors import DataError
from recsys_spark.kernels.arrays import F32
from recsys_spark.models.embedding import clear
from recsys_spark.models.registry import model_for
from recsys_spark.models.settings import ClassifierSettings, DotSettings, MlpSettings, ModelSettings
from recsys_spark.models.sides import Sides
from recsys_spark.models.warm import carry_over, shrunk, weights_of
from recsys_spark.training.fit import load_keras

N_USERS, N_ITEMS = 6, 5
DOT = DotSettings(embedding_size=3)
MLP = MlpSettings(embedding_size=3, layers=(4,))


def network(settings: ModelSettings, *, users: int = 0, items: int = 0, features: int = 0, seed: int = 1) -> Any:
    """A network of no zeros, with so many users and items more than usual, and so many features of each item."""
    load_keras()
    random = np.random.default_rng(seed)
    n_users, n_items = N_USERS + users, N_ITEMS + items
    known = random.random((n_items, features), np.float32)
    built = model_for(settings).build(Sides(n_users, n_items, item_features=known))
    for layer in built.layers:
        if layer.trainable and layer.get_weights():
            layer.set_weights([random.normal(size=weights.shape) for weights in layer.get_weights()])
    return built


def weights(of: Any, layer: str) -> F32:
    found: F32 = of.get_layer(layer).get_weights()[0]
    return found


@pytest.mark.parametrize("layer", ["user_embedding", "user_bias"])
def test_trained_rows_are_taken_and_rows_that_are_new_stay_fresh(layer: str) -> None:
    old, new = network(DOT), network(DOT, users=2, seed=2)
    fresh = weights(new, layer)
    carry_over(weights_of(old), new)
    np.testing.assert_array_equal(weights(new, layer)[:N_USERS], weights(old, layer))
    np.testing.assert_array_equal(weights(new, layer)[N_USERS:], fresh[N_USERS:])


@pytest.mark.parametrize("layer", ["item_embedding", "item_bias"])
def test_rows_that_were_never_trained_keep_their_fresh_values(layer: str) -> None:
    old, new = network(DOT), network(DOT, seed=2)
    untrained = np.arange(N_ITEMS) % 2 == 0
    clear(old, "item", untrained)
    fresh = weights(new, layer)
    carry_over(weights_of(old), new)
    np.testing.assert_array_equal(weights(new, layer)[untrained], fresh[untrained])
    np.testing.assert_array_equal(weights(new, layer)[~untrained], weights(old, layer)[~untrained])


def test_a_row_with_a_single_number_that_is_not_zero_was_trained() -> None:
    old, new = network(DOT), network(DOT, seed=2)
    table = weights(old, "user_embedding")
    table[2] = [0, 0, 0.5]
    old.get_layer("user_embedding").set_weights([table])
    carry_over(weights_of(old), new)
    assert weights(new, "user_embedding")[2].tolist() == [0, 0, 0.5]


@pytest.mark.parametrize("settings", [MLP, ClassifierSettings(embedding_size=3, layers=(4,))])
def test_dense_layers_are_taken_whole(settings: ModelSettings) -> None:
    old, new = network(settings, features=2), network(settings, features=2, items=3, seed=2)
    carry_over(weights_of(old), new)
    for layer in ("dense_0", "dense_1"):
        for mine, before in zip(new.get_layer(layer).get_weights(), old.get_layer(layer).get_weights(), strict=True):
            np.testing.assert_array_equal(mine, before)


@pytest.mark.parametrize("settings", [DOT, MLP], ids=lambda settings: settings.name)
def test_features_are_those_of_the_new_network(settings: ModelSettings) -> None:
    old, new = network(settings, features=2), network(settings, features=2, seed=2)
    known = weights(new, "item_features")
    carry_over(weights_of(old), new)
    np.testing.assert_array_equal(weights(new, "item_features"), known)
    assert (known != weights(old, "item_features")).any()


def test_what_features_weigh_is_taken() -> None:
    old, new = network(DOT, features=2), network(DOT, features=2, seed=2)
    carry_over(weights_of(old), new)
    for layer in ("item_embedding_of_features", "item_bias_of_features"):
        np.testing.assert_array_equal(weights(new, layer), weights(old, layer))


@pytest.mark.parametrize("settings", [DOT, MLP], ids=lambda settings: settings.name)
def test_shrinking_changes_the_length_of_vectors_and_nothing_else(settings: ModelSettings) -> None:
    before = weights_of(network(settings, features=2))
    after = shrunk(before, 0.25)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {"user_embedding.0", "item_embedding.0"}
    assert before.keys() == after.keys()
    for name in changed:
        assert after[name].dtype == np.float32
        np.testing.assert_array_equal(after[name], 0.25 * before[name])


@pytest.mark.parametrize(
    ("old", "new", "layer"),
    [
        ((DOT, {"users": 1}), (DOT, {}), "user_embedding"),
        ((DotSettings(embedding_size=2), {}), (DOT, {}), "user_embedding"),
        ((DotSettings(embedding_size=3, biases=False), {}), (DOT, {}), "user_bias"),
        ((DOT, {"features": 2}), (DOT, {"features": 3}), "item_embedding_of_features"),
        ((DOT, {}), (DOT, {"features": 3}), "item_embedding_of_features"),
        ((MLP, {}), (MLP, {"features": 1}), "dense_0"),
        ((MlpSettings(embedding_size=3, layers=(5,)), {}), (MLP, {}), "dense_0"),
    ],
    ids=["fewer users", "size", "no biases", "other features", "no features", "features of an mlp", "units"],
)
def test_a_network_of_another_shape_is_refused_by_its_layer(
    old: tuple[ModelSettings, dict[str, int]], new: tuple[ModelSettings, dict[str, int]], layer: str
) -> None:
    before, now = (network(settings, **sizes) for settings, sizes in (old, new))
    with pytest.raises(DataError, match=rf"warm start, layer {layer}: expected (.|\n)*start cold"):
        carry_over(weights_of(before), now)
