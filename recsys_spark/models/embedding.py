"""Tables of users and items: one vector for each index, looked up by a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from recsys_spark.kernels.arrays import F32, Flags
from recsys_spark.models.sides import Side, Sides

if TYPE_CHECKING:
    import keras

_INITIAL_DEVIATION = 0.1
"""Of each number of a fresh vector. Small, so that training starts near the mean rating; not zero, or a dot product
would have no gradient to start from."""


Table = Literal["embedding", "rating_embedding", "bias", "features"]
"""What a table holds; a second embedding is for a second output."""

_TRAINED: tuple[Table, ...] = ("embedding", "rating_embedding", "bias")


def index_inputs() -> dict[Side, Any]:
    """The two inputs of every network: `user` and `item`, int32 of shape (batch,)."""
    import keras

    return {
        "user": keras.Input(shape=(), dtype="int32", name="user"),
        "item": keras.Input(shape=(), dtype="int32", name="item"),
    }


def embedding(
    inputs: dict[Side, Any], side: Side, *, count: int, size: int, l2: float, what: Table = "embedding"
) -> Any:
    """The vectors of a batch: normally distributed at first.

    Args:
        inputs: of the network.
        side: whose vectors.
        count: rows of the table.
        size: columns of the table.
        l2: weight of the squared vectors looked up, a mean over the batch. Not a penalty on the whole table: that
            would shrink at every step also the rows that the step does not touch.
        what: name of the table, behind that of the side.

    Returns:
        A Keras tensor (batch, size).
    """
    import keras

    initial = keras.initializers.RandomNormal(stddev=_INITIAL_DEVIATION)
    vectors = keras.layers.Embedding(count, size, initial, name=f"{side}_{what}")(inputs[side])
    return _penalised(vectors, f"{side}_{what}", l2)


def bias(inputs: dict[Side, Any], side: Side, *, count: int, l2: float) -> Any:
    """The biases of a batch, (batch, 1): zero at first. Arguments as of `embedding`."""
    import keras

    biases = keras.layers.Embedding(count, 1, "zeros", name=f"{side}_bias")(inputs[side])
    return _penalised(biases, f"{side}_bias", l2)


def features(inputs: dict[Side, Any], side: Side, sides: Sides) -> Any | None:
    """The features of a batch, (batch, f), from a table that training leaves alone; none where nothing is known.

    A network that holds its features needs no more than indices, so that its `.keras` file is complete.
    """
    import keras

    known = sides.features(side)
    if not known.shape[1]:
        return None
    fixed = keras.initializers.Zeros()
    layer = keras.layers.Embedding(*known.shape, fixed, trainable=False, name=f"{side}_features")
    looked_up = layer(inputs[side])
    layer.set_weights([known])
    return looked_up


def table(network: keras.Model, side: Side, what: Table = "embedding") -> F32:
    """The weights of one table, f32[count, size], copied out of the network."""
    return np.array(network.get_layer(f"{side}_{what}").get_weights()[0], dtype=np.float32, order="C")


def has(network: keras.Model, layer: str) -> bool:
    """Whether a network has a layer of that name."""
    return any(found.name == layer for found in network.layers)


def clear(network: keras.Model, side: Side, rows: Flags) -> None:
    """Set some rows of a side's trained tables to zero.

    Args:
        network: changed in place.
        side: whose tables.
        rows: bool[count], true for the rows to clear.
    """
    for layer in network.layers:
        if layer.name in (f"{side}_{what}" for what in _TRAINED):
            weights = layer.get_weights()[0]
            weights[rows] = 0
            layer.set_weights([weights])


def _penalised(vectors: Any, name: str, l2: float) -> Any:
    import keras

    if l2 == 0:
        return vectors
    # Keras divides a penalty on an activity by the batch, as it does the loss
    return keras.layers.ActivityRegularization(l2=l2, name=f"{name}_penalty")(vectors)
