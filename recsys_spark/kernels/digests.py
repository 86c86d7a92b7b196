"""A digest of each user's history, so that it shows whether two nights know the same of a user."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsys_spark.kernels.arrays import F32, I32

U64 = npt.NDArray[np.uint64]

BITS = 48
"""Of a digest: two changed histories in 2.8e14 are taken for the same."""

_HALF = BITS // 2


def history_digests(user: I32, item: I32, rating: F32, n_users: int, day: F32 | None = None) -> U64:
    """A number for each user that follows from the set of ratings and not from their order.

    Args:
        user: i32[n], indices.
        item: i32[n], indices.
        rating: f32[n]; its bits count.
        n_users: how many indices there are.
        day: f32[n], where it matters to the model; its bits count.

    Returns:
        u64[n_users], below 2**48: the sum of a hash of each rating; 0 for a user without one.
    """
    digests = np.zeros(n_users, np.uint64)
    pairs = (item.astype(np.uint64) << np.uint64(32)) | rating.view(np.uint32)
    hashes = _mixed(pairs)
    if day is not None:
        hashes = _mixed(hashes ^ day.view(np.uint32).astype(np.uint64))
    np.add.at(digests, user, hashes)
    return digests & np.uint64((1 << BITS) - 1)


def as_columns(digests: U64) -> F32:
    """Digests as f32[n, 2]: each half is a whole number that float32 holds exactly."""
    low, high = digests & np.uint64((1 << _HALF) - 1), digests >> np.uint64(_HALF)
    return np.stack([low, high], axis=1).astype(np.float32)


def from_columns(columns: F32) -> U64:
    """The digests of `as_columns`."""
    low, high = columns.astype(np.uint64).T
    digests: U64 = low | (high << np.uint64(_HALF))
    return digests


def _mixed(values: U64) -> U64:
    """Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014: the finaliser of SplitMix64."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
