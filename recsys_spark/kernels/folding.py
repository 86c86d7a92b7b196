"""A user's vector from the user's ratings, by the formula of training, without training.

| model | vector |
| --- | --- |
| history tower | the sum of the history vectors of the liked items, divided by the root of their number |
| implicit least squares | the one of the smallest loss while the items' vectors stay as they are |
| least squares of ratings | likewise, with the user's bias |
"""

from __future__ import annotations

import numpy as np

from recsys_spark.kernels.arrays import F32, I32, I64

_USERS_AT_ONCE = 1024


def history_vectors(history: F32, offsets: I64, items: I32) -> F32:
    """The vectors of a history tower.

    Args:
        history: f32[n_items, k].
        offsets: i64[m + 1], where each user's liked items begin and end.
        items: i32[...].

    Returns:
        f32[m, k]; zeros for who likes nothing. Summed in the order of the items as float32.
    """
    vectors = np.zeros((len(offsets) - 1, history.shape[1]), np.float32)
    for first in range(0, len(vectors), _USERS_AT_ONCE):
        ends = offsets[first : first + _USERS_AT_ONCE + 1]
        counts = np.diff(ends)
        some = np.flatnonzero(counts)
        if len(some):
            looked_up = history[items[ends[0] : ends[-1]]]
            summed = np.add.reduceat(looked_up, (ends[:-1] - ends[0])[some], axis=0)
            vectors[first + some] = summed / np.sqrt(counts[some], dtype=np.float32)[:, None]
    return vectors


def least_squares_vectors(
    table: F32, offsets: I64, items: I32, weights: F32, *, unobserved_weight: float, l2: float, l2_exponent: float
) -> F32:
    """The vectors that minimise the loss of implicit matrix factorisation (`training/objectives/ials.py`).

    p = (sum over likes of w q q^T + a Q^T Q + l2 (sum of w + a n)^e I)^-1 (sum over likes of w q), Q being the vectors
    of the n items that are not all zeros (Hu, Koren, Volinsky, ICDM 2008, equation 4).

    Args:
        table: f32[n_items, k].
        offsets: i64[m + 1], where each user's liked items begin and end.
        items: i32[...].
        weights: f32[...], of each like.
        unobserved_weight: a.
        l2: see above.
        l2_exponent: e.

    Returns:
        f32[m, k], solved in float64; zeros for who likes nothing.
    """
    vectors = np.zeros((len(offsets) - 1, table.shape[1]), np.float32)
    everything = unobserved_weight * (table.T.astype(np.float64) @ table)
    n_items = int(table.any(axis=1).sum())
    diagonal = np.arange(table.shape[1])
    for user in np.flatnonzero(np.diff(offsets)):
        mine = slice(offsets[user], offsets[user + 1])
        liked, weight = table[items[mine]].astype(np.float64), weights[mine].astype(np.float64)
        normal = everything + (liked * weight[:, None]).T @ liked
        normal[diagonal, diagonal] += l2 * (weight.sum() + unobserved_weight * n_items) ** l2_exponent
        vectors[user] = np.linalg.solve(normal, liked.T @ weight)
    return vectors


def rating_vectors(
    table: F32,
    offsets: I64,
    items: I32,
    residuals: F32,
    *,
    l2: float,
    biases: bool,
    weights: F32 | None = None,
) -> tuple[F32, F32]:
    """The vectors and biases that minimise sum over ratings of w (t - p . q - b)^2 + l2 (|p|^2 + b^2).

    Args:
        table: f32[n_items, k].
        offsets: i64[m + 1], where each user's ratings begin and end.
        items: i32[...].
        residuals: f32[...], t: the rating as the network learns it, minus the item's bias.
        l2: of each rating; at least a thousandth is taken, since a short history alone determines nothing.
        biases: whether users have one.
        weights: f32[...], w; none: 1.

    Returns:
        f32[m, k] and f32[m], solved in float64; zeros without a rating.
    """
    n, k = len(offsets) - 1, table.shape[1]
    vectors, own = np.zeros((n, k), np.float32), np.zeros(n, np.float32)
    ones = np.ones if biases else np.zeros
    for user in np.flatnonzero(np.diff(offsets)):
        mine = slice(offsets[user], offsets[user + 1])
        rated = table[items[mine]].astype(np.float64)
        rows = np.concatenate([rated, ones((len(rated), 1))], axis=1)
        counting = rows if weights is None else rows * weights[mine].astype(np.float64)[:, None]
        normal = rows.T @ counting + max(l2, _LEAST_L2) * len(rows) * np.eye(k + 1)
        solved = np.linalg.solve(normal, counting.T @ residuals[mine].astype(np.float64))
        vectors[user], own[user] = solved[:k], solved[k]
    return vectors, own


_LEAST_L2 = 1e-3
