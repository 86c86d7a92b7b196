"""Dense layers over a user's and an item's vector side by side: the network, and its way back to plain arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from recsys_spark.kernels.arrays import F32
from recsys_spark.kernels.scorer import DenseLayer
from recsys_spark.models.embedding import embedding, features, has, index_inputs, table
from recsys_spark.models.settings import ClassifierSettings, MlpSettings
from recsys_spark.models.sides import Side, Sides

if TYPE_CHECKING:
    import keras


def dense_network(
    name: str, settings: MlpSettings | ClassifierSettings, sides: Sides, *, outputs: int, activation: str
) -> keras.Model:
    """Embeddings, with features beside them, through dense layers named `dense_0`, `dense_1`, ...

    Args:
        name: of the network.
        settings: sizes, activation and dropout.
        sides: the users and items.
        outputs: units of the last layer.
        activation: of the last layer.
    """
    import keras

    inputs = index_inputs()
    columns = [part for side in ("user", "item") for part in _side(inputs, side, settings, sides)]
    signal = keras.layers.Concatenate(name="pair")(columns)
    layers = [*((units, settings.activation) for units in settings.layers), (outputs, activation)]
    for number, (units, shape) in enumerate(layers):
        share = settings.dropout[number] if isinstance(settings.dropout, tuple) else settings.dropout
        if share > 0:
            signal = keras.layers.Dropout(share, name=f"dropout_{number}")(signal)
        signal = keras.layers.Dense(units, activation=shape, name=f"dense_{number}")(signal)
    return keras.Model(inputs, signal, name=name)


def side_columns(network: keras.Model, side: Side) -> F32:
    """The columns of one side: its embedding, and its features behind it."""
    vectors = table(network, side)
    if not has(network, f"{side}_features"):
        return vectors
    return np.concatenate([vectors, table(network, side, "features")], axis=1)


def exported_layers(network: keras.Model) -> tuple[DenseLayer, ...]:
    """The dense layers in their order."""
    layers: list[DenseLayer] = []
    while has(network, f"dense_{len(layers)}"):
        layer = network.get_layer(f"dense_{len(layers)}")
        weight, shift = (np.array(array, np.float32, order="C") for array in layer.get_weights())
        layers.append(DenseLayer(weight=weight, bias=shift, activation=layer.activation.__name__))
    return tuple(layers)


def _side(inputs: dict[Side, Any], side: Any, settings: MlpSettings | ClassifierSettings, sides: Sides) -> list[Any]:
    import keras

    vectors = embedding(inputs, side, count=sides.count(side), size=settings.embedding_size, l2=settings.l2)
    if settings.embedding_dropout > 0:
        vectors = keras.layers.Dropout(settings.embedding_dropout, name=f"{side}_embedding_dropout")(vectors)
    known = features(inputs, side, sides)
    return [vectors] if known is None else [vectors, known]
