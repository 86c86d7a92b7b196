"""Dot products for ranking: their network, and its way back to plain arrays. A score is a preference, not a rating."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.embedding import bias, embedding, has, index_inputs, table
from recsys_spark.models.sides import Sides

if TYPE_CHECKING:
    import keras


def preference_network(name: str, sides: Sides, *, size: int, item_bias: bool) -> keras.Model:
    """output(u, i) = vector(u) . vector(i), plus bias(i) where that is wanted.

    Args:
        name: of the network.
        sides: the users and items.
        size: columns of each embedding.
        item_bias: whether each item has a bias. One of the user would not change a list.
    """
    import keras

    inputs = index_inputs()
    user = embedding(inputs, "user", count=sides.n_users, size=size, l2=0)
    item = embedding(inputs, "item", count=sides.n_items, size=size, l2=0)
    score = keras.layers.Dot(axes=1, name="dot")([user, item])
    if item_bias:
        score = keras.layers.Add(name="score")([score, bias(inputs, "item", count=sides.n_items, l2=0)])
    return keras.Model(inputs, score, name=name)


def preference_scorer(network: keras.Model) -> PairScorer:
    """A network of `preference_network`, with any weights, as plain arrays."""
    item_bias = table(network, "item", "bias")[:, 0].copy() if has(network, "item_bias") else None
    return PairScorer(user=table(network, "user"), item=table(network, "item"), item_bias=item_bias)
