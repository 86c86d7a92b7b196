"""Activations and scores in float64, in whatever order numpy likes: what kernels come close to."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from recsys_spark.kernels.arrays import I32
from recsys_spark.kernels.scorer import PairScorer

F64 = npt.NDArray[np.float64]

sigmoid64 = np.vectorize(lambda x: 1 / (1 + math.exp(-x)) if x > -700 else 0.0, otypes=[float])
erf64 = np.vectorize(math.erf, otypes=[float])
EXACT: dict[str, Callable[[F64], F64]] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x < 0, 0.2 * x, x),
    "elu": lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0)), x),
    "selu": lambda x: 1.0507009873554805 * np.where(x < 0, 1.6732632423543772 * np.expm1(np.minimum(x, 0)), x),
    "gelu": lambda x: 0.5 * x * (1 + erf64(x / math.sqrt(2))),
    "silu": lambda x: x * sigmoid64(x),
    "sigmoid": sigmoid64,
    "tanh": np.tanh,
}


def reference(scorer: PairScorer, users: I32, items: I32) -> F64:
    """The scores of pairs."""
    user, item = scorer.user[users].astype(float), scorer.item[items].astype(float)
    if scorer.is_dot:
        head = (user * item).sum(axis=1)
        head += scorer.user_bias[users] if scorer.user_bias is not None else 0
        head += scorer.item_bias[items] if scorer.item_bias is not None else 0
        return head * scorer.scale + scorer.offset
    outputs = np.concatenate([user, item], axis=1)
    for layer in scorer.layers:
        outputs = EXACT[layer.activation](outputs @ layer.weight + layer.bias)
    if scorer.levels is None:
        return outputs[:, 0] * scorer.scale + scorer.offset
    odds = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return (odds @ scorer.levels) / odds.sum(axis=1) * scorer.scale + scorer.offset
