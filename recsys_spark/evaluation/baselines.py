"""Baselines: what a model must beat, as pair scorers, so that they are scored and measured like any model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from recsys_spark.kernels.scorer import PairScorer

_ROWS_AT_ONCE = 1 << 22
"""Ratings looked at together: the columns may lie on disk, and what is computed of them is twice as large."""

RATING_BASELINES = ("mean", "item_mean", "bias")


def fit_baselines(
    users: npt.NDArray[np.int32],
    items: npt.NDArray[np.int32],
    ratings: npt.NDArray[np.float32],
    *,
    n_users: int,
    n_items: int,
    damping: float,
) -> dict[str, PairScorer]:
    """The baselines of some training rows.

    With `m` the mean of all ratings and `d` the damping, summed in float64 over the rows in their order:

    - `mean`: m
    - `item_mean`: m + sum over the item's ratings of (r - m) / (n_i + d)
    - `bias`: m + b_i + b_u, where b_i is as in `item_mean` and b_u = sum over the user's ratings of
      (r - m - b_i) / (n_u + d)  (Koren, Bell, Volinsky: Matrix Factorization Techniques for Recommender Systems, 2009)
    - `popularity`: the number of the item's ratings, plus that of the user's. The user's own number does not change the
      order of their items; it tells who was trained on.

    Args:
        users: i32[n], indices.
        items: i32[n], indices.
        ratings: f32[n], in rating units.
        n_users: how many indices there are, rated or not.
        n_items: likewise.
        damping: ratings at the mean, added to each item's and user's own.

    Returns:
        The four, by name. Driver memory: 4 bytes for each user and item and baseline.
    """
    mean = float(ratings.mean(dtype=np.float64)) if len(ratings) else 0.0
    item_count, user_count = np.bincount(items, minlength=n_items), np.bincount(users, minlength=n_users)
    item_sum, user_sum = np.zeros(n_items), np.zeros(n_users)
    parts = [slice(start, start + _ROWS_AT_ONCE) for start in range(0, len(ratings), _ROWS_AT_ONCE)]
    for part in parts:
        item_sum += np.bincount(items[part], weights=ratings[part] - mean, minlength=n_items)
    b_i = _shrunk(item_sum, item_count, damping)
    for part in parts:
        rest = ratings[part] - mean - b_i[items[part]]
        user_sum += np.bincount(users[part], weights=rest, minlength=n_users)
    b_u = _shrunk(user_sum, user_count, damping)
    return {
        "mean": _biases(np.zeros(n_users), np.zeros(n_items), mean),
        "item_mean": _biases(np.zeros(n_users), b_i, mean),
        "bias": _biases(b_u, b_i, mean),
        "popularity": _biases(user_count, item_count, 0.0),
    }


def with_histories(
    baselines: Mapping[str, PairScorer],
    users: npt.NDArray[np.int32],
    items: npt.NDArray[np.int32],
    ratings: npt.NDArray[np.float32],
    *,
    damping: float,
) -> dict[str, PairScorer]:
    """Baselines that know users whom they were not fitted to by their histories; what they say of items stays.

    Args:
        baselines: from `fit_baselines`.
        users: i32[n], who have no ratings among the fitted ones.
        items: i32[n].
        ratings: f32[n].
        damping: as for `fit_baselines`.
    """
    bias, popularity = baselines["bias"], baselines["popularity"]
    assert bias.item_bias is not None
    assert bias.user_bias is not None
    assert popularity.user_bias is not None
    counts = np.bincount(users, minlength=bias.n_users)
    # in float64, as the sums of a fit
    rest = ratings - bias.offset - bias.item_bias[items].astype(np.float64)
    own = _shrunk(np.bincount(users, rest, bias.n_users).astype(np.float64), counts, damping)
    of_user = np.where(counts > 0, own, bias.user_bias).astype(np.float32)
    counted = (popularity.user_bias + counts).astype(np.float32)
    known = {"bias": replace(bias, user_bias=of_user), "popularity": replace(popularity, user_bias=counted)}
    return {**baselines, **known}


def _shrunk(total: npt.NDArray[np.float64], count: npt.NDArray[np.intp], damping: float) -> npt.NDArray[np.float64]:
    weight = count + damping
    shrunk: npt.NDArray[np.float64] = np.divide(total, weight, out=np.zeros(len(count)), where=weight > 0)
    return shrunk


def _biases(user: npt.NDArray[np.generic], item: npt.NDArray[np.generic], offset: float) -> PairScorer:
    return PairScorer(
        user=np.zeros((len(user), 0), np.float32),
        item=np.zeros((len(item), 0), np.float32),
        user_bias=user.astype(np.float32),
        item_bias=item.astype(np.float32),
        offset=offset,
    )
