"""The head of a scorer, laid out flat for kernels.

Kernels take the same few array types whatever the number of layers, so that each compiles once. Weights are transposed:
a unit's weights lie side by side in the order in which they are summed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from recsys_spark.kernels.arrays import F32, I64, read_only

if TYPE_CHECKING:  # the scorer's own method calls the kernels
    from recsys_spark.kernels.scorer import PairScorer


class Head(NamedTuple):
    """What stands between the two sides of a pair and its score."""

    user_weight: F32
    """f32[h, k_u]: the user columns' part of the first layer; empty for a dot product."""

    item_weight: F32
    """f32[h, k_i]: the item columns' part of the first layer."""

    user_start: F32
    """f32[h], what the user's half of the first layer begins with: the layer's bias; empty: zeros."""

    item_start: F32
    """f32[h], likewise of the item's half: empty, but for a transposed scorer."""

    item_bias_first: bool
    """Whether a dot product adds the item's bias before the user's, as a transposed scorer does."""

    tail: F32
    """Every further layer, one after the other: its weight f32[k_out, k_in], row by row, then its bias f32[k_out]."""

    widths: I64
    """i64[n_layers]: outputs of each layer; empty for a dot product."""

    activations: I64
    """i64[n_layers]: positions in `ACTIVATIONS`."""

    levels: F32
    """f32[c]; empty for a scorer without levels."""

    scale: np.float32
    offset: np.float32


def head_of(scorer: PairScorer) -> Head:
    """Lay out the head of a scorer; all arrays are read-only."""
    from recsys_spark.kernels.scorer import ACTIVATIONS

    k_u, k_i = scorer.user.shape[1], scorer.item.shape[1]
    first = scorer.layers[0].weight.T if scorer.layers else np.empty((0, k_u + k_i), np.float32)
    first_bias = scorer.layers[0].bias if scorer.layers else np.empty(0, np.float32)
    further = [part.ravel() for layer in scorer.layers[1:] for part in (layer.weight.T, layer.bias)]
    return Head(
        user_weight=read_only(first[:, :k_u]),
        item_weight=read_only(first[:, k_u:]),
        user_start=read_only(first_bias[:0] if scorer.transposed else first_bias),
        item_start=read_only(first_bias if scorer.transposed else first_bias[:0]),
        item_bias_first=scorer.transposed,
        tail=read_only(np.concatenate([np.empty(0, np.float32), *further])),
        widths=read_only(np.array([len(layer.bias) for layer in scorer.layers], np.int64)),
        activations=read_only(np.array([ACTIVATIONS.index(layer.activation) for layer in scorer.layers], np.int64)),
        levels=read_only(scorer.levels if scorer.levels is not None else np.empty(0, np.float32)),
        scale=np.float32(scorer.scale),
        offset=np.float32(scorer.offset),
    )
