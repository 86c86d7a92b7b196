"""Generated ratings in the shape of MovieLens 20M, of which it is known how well they can be predicted at best.

    ./.venv/bin/python benchmarks/generated_ratings.py [--ratings 20000000] [--seed 0] [--out FILE.parquet]

A rating is mean + user's bias + item's bias + user's vector . item's vector + noise, all drawn from normal
distributions. No model's mean squared error can be below the variance of the noise, and one that knows nothing but the
mean has the variance of all but the mean besides, so an error tells which share of what can be explained a model has
explained. Ratings are left continuous: half stars would add an error that depends on where each rating lies between
them, and the floor would no longer be known.

Who rates what has the shape of MovieLens 20M (Harper and Konstan, "The MovieLens Datasets", ACM TiiS 5, 2015): each of
138,493 users at least 20 of 26,744 items, half of them fewer than about 68, one some 9,000; of the items half have
fewer than about 20 ratings, one some 67,000. Activity and popularity are log-normal, bounded at both ends; a user's
items are drawn by popularity, each at most once. Taste and activity are drawn independently of each other.

Fewer ratings take fewer users in proportion and fewer items by the square root, as the smaller MovieLens sets have it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from recsys_spark.kernels.arrays import F32, I32, I64

RATINGS, USERS, ITEMS = 20_000_000, 138_493, 26_744
"""Of MovieLens 20M, in round figures."""

MEAN = 3.5
USER_BIAS, ITEM_BIAS = 0.4, 0.45
"""Standard deviations, in rating units."""

RANK, INTERACTION = 8, 0.4
"""Length of the vectors; standard deviation of their product, in rating units."""

NOISE = 0.75
"""Standard deviation, in rating units."""

FEWEST_OF_A_USER, SPREAD_OF_USERS, MOST_OF_A_USER = 20, 1.4, 0.35
"""Ratings; standard deviation of the logarithm of those beyond; share of the items that the most active user rated."""

SPREAD_OF_ITEMS, MOST_OF_AN_ITEM = 3.3, 0.95
"""Standard deviation of the logarithm of an item's weight; the greatest weight, as a share of the users."""

ROWS_IN_A_CHUNK = 1 << 20


@dataclass(frozen=True, eq=False)
class Generated:
    """Ratings, sorted by user and item, each pair at most once.

    Args:
        user: i32[n], dense indices.
        item: i32[n], dense indices; each item has a rating.
        rating: f32[n], continuous.
        noise_variance: the least mean squared error that a model can have, but for chance.
        signal_variance: of what can be known about the ratings, over these rows.
    """

    user: I32
    item: I32
    rating: F32
    noise_variance: float
    signal_variance: float

    def share_explained(self, mse: float) -> float:
        """Of the variance that can be explained, the share that a model with this error on unseen rows explains.

        1: all of it; 0: no more than the mean does.
        """
        return 1 - (mse - self.noise_variance) / self.signal_variance


def generate(
    n_ratings: int = RATINGS, n_users: int | None = None, n_items: int | None = None, *, seed: int = 0
) -> Generated:
    """Make ratings up.

    Args:
        n_ratings: exactly so many.
        n_users: none: in proportion to the ratings.
        n_items: none: in proportion to the square root of the ratings.
        seed: the same one, the same ratings.

    Raises:
        ValueError: users would have fewer than 20 ratings, or more than a fifth of all pairs would be rated.
    """
    scale = n_ratings / RATINGS
    n_users = round(USERS * scale) if n_users is None else n_users
    n_items = round(ITEMS * scale**0.5) if n_items is None else n_items
    if not FEWEST_OF_A_USER * n_users < n_ratings < n_users * n_items / 5:
        raise ValueError(f"{n_ratings:,} ratings are too few or too many for {n_users:,} users and {n_items:,} items")
    random = np.random.default_rng(seed)
    user, item = _pairs(random, n_ratings, n_users, n_items)
    signal = _signal(random, user, item, n_users, n_items)
    # summed as float64, since the variance is a reference
    variance = float(np.var(signal, dtype=np.float64))
    for start in range(0, n_ratings, ROWS_IN_A_CHUNK):
        some = signal[start : start + ROWS_IN_A_CHUNK]
        some += np.float32(MEAN) + np.float32(NOISE) * random.standard_normal(len(some), np.float32)
    return Generated(user, item, signal, noise_variance=NOISE**2, signal_variance=variance)


def _pairs(random: np.random.Generator, n_ratings: int, n_users: int, n_items: int) -> tuple[I32, I32]:
    """Who rates what: two i32[n_ratings]."""
    activity = random.permutation(_activity(n_ratings, n_users, n_items))
    weights = _bounded_lognormal(n_items, SPREAD_OF_ITEMS, lowest=1, highest=MOST_OF_AN_ITEM * n_users, total=n_ratings)
    shares = np.cumsum(random.permutation(weights))
    item = _distinct_draws(activity, shares / shares[-1], random.integers(2**32))
    user = np.repeat(np.arange(n_users, dtype=np.int32), activity)
    counts = np.bincount(item, minlength=n_items)
    # an item without a rating takes one over from a popular item: nobody can have rated it already
    missing = np.flatnonzero(counts == 0).astype(np.int32)
    popular = np.flatnonzero(counts[item] > np.quantile(counts, 0.9))
    item[random.choice(popular, len(missing), replace=False)] = missing
    _sort_within(item, activity)
    return user, item


def _activity(n_ratings: int, n_users: int, n_items: int) -> I64:
    """Ratings of each user, i64[n_users], ascending."""
    beyond = _bounded_lognormal(
        n_users,
        SPREAD_OF_USERS,
        lowest=0,
        highest=MOST_OF_A_USER * n_items - FEWEST_OF_A_USER,
        total=n_ratings - FEWEST_OF_A_USER * n_users,
    )
    # rounded so that the sum stays
    ends: I64 = np.rint(np.cumsum(FEWEST_OF_A_USER + beyond)).astype(np.int64)
    activity: I64 = np.diff(ends, prepend=0)
    return activity


def _bounded_lognormal(
    count: int, spread: float, *, lowest: float, highest: float, total: float
) -> npt.NDArray[np.float64]:
    """The quantiles, f64[count], of a log-normal distribution cut off at both ends, with this sum."""
    standard = NormalDist()
    shape = np.exp([spread * standard.inv_cdf((rank + 0.5) / count) for rank in range(count)])

    def sum_of(logarithm: float) -> float:
        return float(np.clip(np.exp(logarithm) * shape, lowest, highest).sum())

    quantiles: npt.NDArray[np.float64] = np.clip(np.exp(_root(sum_of, total, -60.0, 60.0)) * shape, lowest, highest)
    return quantiles


def _root(increasing: Callable[[float], float], value: float, low: float, high: float) -> float:
    """Where an increasing function has a value, by bisection."""
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if increasing(middle) < value else (low, middle)
    return high


@numba.njit
def _distinct_draws(activity, shares, seed):  # type: ignore[no-untyped-def]
    """For each user so many different items, drawn by their shares (cumulated, up to 1) until there are enough."""
    np.random.seed(seed)
    items = np.empty(activity.sum(), np.int32)
    last_user = np.full(len(shares), -1, np.int32)
    # where to look for a draw: the first item whose cumulated share is above each of these steps
    steps = 1 << 16
    first = np.searchsorted(shares, np.arange(steps) / steps, side="right")
    row = 0
    for user in range(len(activity)):
        end = row + activity[user]
        while row < end:
            draw = np.random.random()
            item = first[int(draw * steps)]
            while shares[item] <= draw:
                item += 1
            if last_user[item] != user:
                last_user[item] = user
                items[row] = item
                row += 1
    return items


@numba.njit
def _sort_within(items, activity):  # type: ignore[no-untyped-def]
    """Sort each user's items, in place."""
    start = 0
    for count in activity:
        items[start : start + count].sort()
        start += count


def _signal(random: np.random.Generator, user: I32, item: I32, n_users: int, n_items: int) -> F32:
    """Biases and interaction of some pairs, f32[n]."""
    user_bias = np.float32(USER_BIAS) * random.standard_normal(n_users, np.float32)
    item_bias = np.float32(ITEM_BIAS) * random.standard_normal(n_items, np.float32)
    # a sum of RANK products of two normal numbers of deviation s has the deviation s^2 sqrt(RANK)
    deviation = np.float32((INTERACTION / RANK**0.5) ** 0.5)
    of_user = deviation * random.standard_normal((n_users, RANK), np.float32)
    of_item = deviation * random.standard_normal((n_items, RANK), np.float32)
    signal = np.empty(len(user), np.float32)
    for start in range(0, len(user), ROWS_IN_A_CHUNK):
        some = slice(start, start + ROWS_IN_A_CHUNK)
        products = np.einsum("nk,nk->n", of_user[user[some]], of_item[item[some]])
        signal[some] = user_bias[user[some]] + item_bias[item[some]] + products
    return signal


def _figures(made: Generated) -> dict[str, float | list[int]]:
    """The shape, for people: quantiles are the least, the median and the greatest."""
    of_users, of_items = np.bincount(made.user), np.bincount(made.item)
    return {
        "ratings": len(made.rating),
        "users": len(of_users),
        "items": len(of_items),
        "ratings_of_a_user": [int(q) for q in np.quantile(of_users, [0, 0.5, 1])],
        "ratings_of_an_item": [int(q) for q in np.quantile(of_items, [0, 0.5, 1])],
        "noise_variance": made.noise_variance,
        "signal_variance": round(made.signal_variance, 5),
    }


def main() -> None:
    """Generate, write a file if one is wanted, and print the shape as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--ratings", type=int, default=RATINGS, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another one, other ratings (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="a Parquet file to write: user_id, item_id, rating")
    options = parser.parse_args()
    start = time.perf_counter()
    made = generate(options.ratings, seed=options.seed)
    seconds = round(time.perf_counter() - start, 1)
    if options.out:
        columns = {"user_id": made.user, "item_id": made.item, "rating": made.rating}
        pq.write_table(pa.table({name: pa.array(column) for name, column in columns.items()}), options.out)
    print(json.dumps(_figures(made) | {"seconds": seconds}))


if __name__ == "__main__":
    main()
