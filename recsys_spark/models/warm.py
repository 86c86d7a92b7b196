"""A fit that starts where an earlier one ended: weights are carried over to a network whose tables have grown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from recsys_spark.errors import DataError
from recsys_spark.kernels.arrays import F32

if TYPE_CHECKING:
    import keras

Weights = Mapping[str, F32]
"""What a network has learned: each layer's arrays, `<layer>.<number>`."""


def weights_of(network: keras.Model) -> Weights:
    """What a network has learned, without features, which the next night may scale in another way."""
    learned = [layer for layer in network.layers if layer.trainable]
    return {f"{layer.name}.{n}": array for layer in learned for n, array in enumerate(layer.get_weights())}


def shrunk(weights: Weights, factor: float) -> Weights:
    """The weights with the vectors of users and items multiplied by a factor, and all others as they are.

    Vectors that have been fitted to the old rows to their end find the way to what old and new rows ask for together
    less well than shorter ones of the same direction: Ash and Adams, On Warm-Starting Neural Network Training, NeurIPS
    2020, section 4 (there all weights are shrunk, and noise is added).

    Args:
        weights: of a fit.
        factor: 1 changes nothing; 0 forgets the vectors, and keeps biases and dense layers.
    """
    return {
        name: array * np.float32(factor) if name.rpartition(".")[0].endswith("_embedding") else array
        for name, array in weights.items()
    }


def carry_over(old: Weights, new: keras.Model) -> None:
    """Take what a network has learned into a fresh one with at least as many users and items.

    A row of a table that was never trained is all zeros; it keeps its fresh values, as do rows that are new.

    Args:
        old: of the same model; its indices mean the same users and items.
        new: changed in place.

    Raises:
        DataError: a layer is missing, has fewer rows, or another shape (for example other features).
    """
    for layer in new.layers:
        weights = layer.get_weights()
        if not weights or not layer.trainable:
            continue
        names = [f"{layer.name}.{n}" for n in range(len(weights))]
        before = [old[name] for name in names if name in old]
        is_table = layer.name.endswith(("_embedding", "_bias"))
        shapes = [w.shape[1:] if is_table else w.shape for w in (*before, *weights)]
        if shapes[: len(before)] != shapes[len(before) :] or (is_table and len(before[0]) > len(weights[0])):
            raise DataError(
                f"warm start, layer {layer.name}",
                expected=f"weights of shape {[w.shape for w in weights]}",
                found=f"{[w.shape for w in before]}",
                hint="the model or its features have changed: start cold",
            )
        if is_table:
            trained = np.flatnonzero(before[0].any(axis=1))
            weights[0][trained] = before[0][trained]
            before = weights
        layer.set_weights(before)
