"""The most likely level of a classifier: that of its largest logit, to the bit of `score32`.

With z_c(u, i) the output of the last layer for level c, before the softmax,

    most_likely(u, i) = scale * levels[argmax_c z_c(u, i)] + offset

Softmax does not change which is largest, so no exponential is needed. Each z_c is itself the score of a pair scorer,
which has the same layers, of the last one column c alone. So every host finds the same level; the price is a forward
pass for each.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recsys_spark.errors import ArtifactError
from recsys_spark.kernels.arrays import F32, I32
from recsys_spark.kernels.scorer import DenseLayer, PairScorer


def most_likely(scorer: PairScorer, users: I32, items: I32) -> F32:
    """The level with the largest logit for each pair; of equal ones the lowest level.

    Args:
        scorer: with levels, in any order.
        users: i32[n], indices of users.
        items: i32[n], indices of items.

    Returns:
        f32[n], in rating units; NaN where a logit is NaN. Memory on the way: 4 bytes for each pair and level.

    Raises:
        ArtifactError: the scorer has no levels.
        DataError: an index out of range, or arrays of unequal length.
    """
    ratings = levels_in_rating_units(scorer)
    order = np.argsort(ratings, kind="stable")
    logits = np.stack([logit_scorer(scorer, int(level)).score(users, items) for level in order])
    best = np.argmax(logits, axis=0)
    found: F32 = ratings[order][best]
    found[np.isnan(logits).any(axis=0)] = np.nan
    return found


def levels_in_rating_units(scorer: PairScorer) -> F32:
    """f32[c]: scale * levels + offset, rounded once.

    Raises:
        ArtifactError: the scorer has no levels.
    """
    if scorer.levels is None:
        raise ArtifactError("levels", expected="a scorer that gives a logit for each level", found="none")
    return (scorer.levels.astype(np.float64) * scorer.scale + scorer.offset).astype(np.float32)


def logit_scorer(scorer: PairScorer, level: int) -> PairScorer:
    """The scorer whose score is the logit of one level, given by its position in `levels`."""
    last = scorer.layers[-1]
    column = np.ascontiguousarray(last.weight[:, level : level + 1])
    only = DenseLayer(column, np.ascontiguousarray(last.bias[level : level + 1]), last.activation)
    return replace(scorer, layers=(*scorer.layers[:-1], only), levels=None, scale=1.0, offset=0.0, clip=None)
