"""How alike items are, brought to the form of a dot product, so that the kernels of lists find the most similar ones.

| measure | vector of item i | dot product of two of them |
| --- | --- | --- |
| dot | q_i, as the model has it, without bias | q_i . q_j |
| cosine | q_i / length of q_i | the cosine of the angle between them |
| correlation | s_i - mean of s_i, brought to length 1; s_i: scores of item i for some users | Pearson's correlation |

What has no direction (zeros; a score that is the same for all users) is similar to nothing: its vector is all zeros.
"""

from __future__ import annotations

import numpy as np

from recsys_spark.kernels.arrays import F32, F64, I32, read_only
from recsys_spark.kernels.scorer import PairScorer

_NUMBERS_AT_ONCE = 1 << 21
"""Numbers that are looked at together: in float64, with what is made of them, some 50 MB."""


def unit_rows(vectors: F32) -> F32:
    """The rows brought to length 1, in float64 before they are rounded; rows of zeros stay zeros.

    Args:
        vectors: f32[n, k].
    """
    units = np.zeros(vectors.shape, np.float32)
    for rows in _blocks(len(vectors), vectors.shape[1]):
        units[rows] = _units(vectors[rows].astype(np.float64))
    return read_only(units)


def centred_scores(scorer: PairScorer, users: I32, items: I32) -> F32:
    """The scores of items for some users, less their mean over these users, brought to length 1.

    The dot product of two rows is Pearson's correlation of the two items' scores.

    Args:
        scorer: of any kind.
        users: i32[m], whose scores are compared.
        items: i32[c], which rows are made.

    Returns:
        f32[n_items, m]: 4 bytes x n_items x m. Zeros for items that are not asked for, and where the scores of an item
        are all the same but for rounding, or one of them is not finite.
    """
    rows = np.zeros((scorer.n_items, len(users)), np.float32)
    for block in _blocks(len(items), len(users)):
        some = items[block]
        scores = scorer.score(np.tile(users, len(some)), np.repeat(some, len(users))).reshape(len(some), -1)
        rows[some] = _centred(scores.astype(np.float64))
    return read_only(rows)


def compared(vectors: F32) -> PairScorer:
    """The scorer of which both sides are these items: score(i, j) is the dot product of their vectors, `score32`.

    Args:
        vectors: f32[n, k].
    """
    return PairScorer(user=vectors, item=vectors)


def _centred(scores: F64) -> F64:
    scores[~np.isfinite(scores).all(axis=1)] = 0
    rounding = np.abs(scores).max(axis=1, initial=0) * np.finfo(np.float32).eps
    centred = scores - scores.mean(axis=1, keepdims=True)
    centred[np.abs(centred).max(axis=1, initial=0) <= 2 * rounding] = 0
    return _units(centred)


def _units(rows: F64) -> F64:
    lengths = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    units: F64 = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return units


def _blocks(n: int, width: int) -> list[slice]:
    size = max(1, _NUMBERS_AT_ONCE // max(width, 1))
    return [slice(first, first + size) for first in range(0, n, size)]
