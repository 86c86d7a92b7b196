"""A fit that starts where an earlier one ended: weights are carried over to a network whose tables have grown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recsys_spark.errors import DataError

if TYPE_CHECKING:
    import keras


def carry_over(old: keras.Model, new: keras.Model) -> None:
    """Take the weights of a trained network for those of a fresh one with at least as many users and items.

    A row of a table that was never trained is all zeros; it keeps its fresh values, as do rows that are new. Features
    are taken as the new network has them: they may be scaled in another way.

    Args:
        old: of the same model; its indices mean the same users and items.
        new: changed in place.

    Raises:
        DataError: a layer is missing, has fewer rows, or another shape (for example other features).
    """
    layers = {layer.name: layer for layer in old.layers}
    for layer in new.layers:
        weights = layer.get_weights()
        if not weights or not layer.trainable:
            continue
        before = layers[layer.name].get_weights() if layer.name in layers else []
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
            trained = before[0].any(axis=1).nonzero()[0]
            weights[0][trained] = before[0][trained]
            before = weights
        layer.set_weights(before)
