"""A user's vector from the user's ratings, by the formula of training, without training.

| model | vector |
| --- | --- |
| history tower | the sum of the history vectors of the liked items, divided by the root of their number |
| implicit least squares | the one of the smallest loss while the items' vectors stay as they are |
| least squares of ratings | likewise, with the user's bias |

The vectors of least squares are sums over the history, so that a score is one, too: the `shares`.
"""

from __future__ import annotations

import numpy as np

from recsys_spark.kernels.arrays import F32, F64, I32, I64

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
    implicit = _Implicit(table, unobserved_weight, l2, l2_exponent)
    for user in np.flatnonzero(np.diff(offsets)):
        mine = slice(offsets[user], offsets[user + 1])
        liked, weight = table[items[mine]].astype(np.float64), weights[mine].astype(np.float64)
        vectors[user] = np.linalg.solve(implicit.normal(liked, weight), liked.T @ weight)
    return vectors


def least_squares_shares(
    table: F32, item: int, items: I32, weights: F32, *, unobserved_weight: float, l2: float, l2_exponent: float
) -> F64:
    """What each like of one user adds to the score of an item, with the vector of `least_squares_vectors`.

    With A the matrix that is inverted there, q_item . p = sum over likes j of w_j q_item^T A^-1 q_j (Hu, Koren,
    Volinsky, section 5). A knows of all likes, so without one of them the shares of the others are other ones.

    Args:
        table: f32[n_items, k].
        item: whose score.
        items: i32[n], the likes.
        weights: f32[n], theirs.
        unobserved_weight: as in `least_squares_vectors`.
        l2: likewise.
        l2_exponent: likewise.

    Returns:
        f64[n].
    """
    if not len(items):
        return np.zeros(0)
    implicit = _Implicit(table, unobserved_weight, l2, l2_exponent)
    liked, weight = table[items].astype(np.float64), weights.astype(np.float64)
    shares: F64 = weight * (liked @ np.linalg.solve(implicit.normal(liked, weight), table[item].astype(np.float64)))
    return shares


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
    for user in np.flatnonzero(np.diff(offsets)):
        mine = slice(offsets[user], offsets[user + 1])
        of_mine = None if weights is None else weights[mine]
        counting, normal = _of_ratings(table, items[mine], of_mine, l2=l2, biases=biases)
        solved = np.linalg.solve(normal, counting.T @ residuals[mine].astype(np.float64))
        vectors[user], own[user] = solved[:k], solved[k]
    return vectors, own


def rating_shares(
    table: F32,
    item: int,
    items: I32,
    residuals: F32,
    *,
    l2: float,
    biases: bool,
    weights: F32 | None = None,
) -> F64:
    """What each rating of one user adds to p . q_item + b, with p and b of `rating_vectors`: f64[n].

    Args:
        table: f32[n_items, k].
        item: whose score.
        items: i32[n], what is rated.
        residuals: f32[n], as in `rating_vectors`.
        l2: likewise.
        biases: likewise.
        weights: f32[n], likewise.
    """
    if not len(items):
        return np.zeros(0)
    counting, normal = _of_ratings(table, items, weights, l2=l2, biases=biases)
    asked = np.append(table[item].astype(np.float64), 1.0 if biases else 0.0)
    shares: F64 = residuals.astype(np.float64) * (counting @ np.linalg.solve(normal, asked))
    return shares


class _Implicit:
    """The normal equations of implicit matrix factorisation for the users of one table of items."""

    def __init__(self, table: F32, unobserved_weight: float, l2: float, l2_exponent: float) -> None:
        self._everything = unobserved_weight * (table.T.astype(np.float64) @ table)
        self._unobserved = unobserved_weight * int(table.any(axis=1).sum())
        self._l2, self._exponent = l2, l2_exponent

    def normal(self, liked: F64, weight: F64) -> F64:
        """The matrix of one user: f64[k, k] of the vectors f64[n, k] and the weights f64[n] of the likes."""
        normal: F64 = self._everything + (liked * weight[:, None]).T @ liked
        diagonal = np.arange(len(normal))
        normal[diagonal, diagonal] += self._l2 * (weight.sum() + self._unobserved) ** self._exponent
        return normal


def _of_ratings(table: F32, items: I32, weights: F32 | None, *, l2: float, biases: bool) -> tuple[F64, F64]:
    """Of one user: the rows (vector and 1 of each rating) by weight, and the matrix of the equations."""
    rated = table[items].astype(np.float64)
    ones = np.ones if biases else np.zeros
    rows = np.concatenate([rated, ones((len(rated), 1))], axis=1)
    counting = rows if weights is None else rows * weights.astype(np.float64)[:, None]
    return counting, rows.T @ counting + max(l2, _LEAST_L2) * len(rows) * np.eye(rows.shape[1])


_LEAST_L2 = 1e-3
