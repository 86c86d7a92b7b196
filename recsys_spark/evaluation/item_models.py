"""The ranking baselines `ease` and `item_knn`: a weight for every pair of items, as pair scorers.

Both score an item by what the user has liked, score(u, i) = sum over liked items j of w_ji: with x_u the user's row of
zeros and ones, and w_i the weights towards i, a dot product of as many columns as there are items. So they are for
catalogues of some thousand items; the driver holds rows and weights whole.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from recsys_spark.errors import DataError
from recsys_spark.evaluation.settings import EaseSettings, ItemKnnSettings
from recsys_spark.kernels.arrays import F32
from recsys_spark.kernels.scorer import PairScorer

MOST_BYTES = 4 << 30
"""Of the rows of all users, and of the weights."""


def liked_rows(pairs: pa.Table, *, n_users: int, n_items: int, baseline: str) -> F32:
    """Who has liked what, as zeros and ones.

    Args:
        pairs: `user_index`, `item_index` of each liked item; on the driver, 8 bytes for each.
        n_users: indices there are.
        n_items: likewise.
        baseline: that needs it, for messages.

    Returns:
        f32[n_users, n_items].

    Raises:
        DataError: that, or the weights of all pairs of items, would be larger than `MOST_BYTES`.
    """
    check_room(n_users=n_users, n_items=n_items, baseline=baseline)
    rows = np.zeros((n_users, n_items), np.float32)
    rows[pairs.column("user_index").to_numpy(), pairs.column("item_index").to_numpy()] = 1
    return rows


def check_room(*, n_users: int, n_items: int, baseline: str) -> None:
    """Refuse, before anything is collected, what would not fit; arguments and error as of `liked_rows`."""
    needed = 4 * n_items * max(n_users, n_items)
    if needed > MOST_BYTES:
        raise DataError(
            f"evaluation.baselines: {baseline}",
            expected=f"at most {MOST_BYTES >> 30} GiB for a number for every user (or item) and item",
            found=f"{needed / (1 << 30):.1f} GiB: {n_users:,} users, {n_items:,} items",
            hint="leave it out of evaluation.baselines; als_implicit has no such limit",
        )


def ease(liked: F32, settings: EaseSettings) -> PairScorer:
    """A linear model of every item from all others, in closed form.

    With G = X^T X + l2 I and P = G^-1: w_ji = -P_ji / P_ii, and 0 for j = i (Steck: Embarrassingly Shallow Autoencoders
    for Sparse Data, WWW 2019, equation 8).

    Args:
        liked: X, f32[n_users, n_items] of zeros and ones.
        settings: l2.

    Returns:
        The scorer. Time grows with the third power of the items, driver memory is 8 bytes x items^2 beside X.
    """
    gram = (liked.T @ liked).astype(np.float64)
    gram[np.diag_indices_from(gram)] += settings.l2
    inverse = np.linalg.inv(gram)
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return _scorer(liked, weights.astype(np.float32))


def item_knn(liked: F32, settings: ItemKnnSettings) -> PairScorer:
    """Each item by its nearest neighbours, by the cosine of who has liked both.

    w_ji = n_ji / (sqrt(n_j n_i) + shrinkage) if j is among the `neighbours` nearest of i, else 0 (Sarwar, Karypis,
    Konstan, Riedl: Item-Based Collaborative Filtering Recommendation Algorithms, WWW 2001; the shrinkage as in Ferrari
    Dacrema, Cremonesi, Jannach: Are We Really Making Much Progress?, RecSys 2019). Of equally near items those of lower
    index.

    Args:
        liked: f32[n_users, n_items] of zeros and ones.
        settings: neighbours and shrinkage.
    """
    both = liked.T @ liked
    length = np.sqrt(np.diag(both))
    similar = both / np.maximum(length[:, None] * length[None, :] + np.float32(settings.shrinkage), 1e-12)
    np.fill_diagonal(similar, 0)
    if settings.neighbours < len(similar):
        order = np.argsort(-similar, axis=0, kind="stable")
        far = order[settings.neighbours :]
        np.put_along_axis(similar, far, 0, axis=0)
    return _scorer(liked, similar.astype(np.float32))


def _scorer(liked: F32, weights: F32) -> PairScorer:
    """`weights` f32[from, to]: the scorer wants a row for each item that is scored."""
    return PairScorer(user=liked, item=np.ascontiguousarray(weights.T))
