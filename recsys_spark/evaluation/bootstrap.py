"""Bootstrap intervals: how far a figure would move if other users had come.

The ratings of one user are not independent, so users are drawn, not ratings (a cluster bootstrap), and for the sake of
the driver's memory in groups: a hash sends each user to one of `GROUPS`, and only the groups' sums are needed. With s_g
the sums of group g and w_g how often it is drawn, w ~ multinomial(G; 1/G, ..., 1/G), a resample's sums are

    s* = sum_g w_g s_g

and a figure is computed from s* as from the sums of everything. Its 2.5 % and 97.5 % quantiles over the resamples are
the interval (the percentile method: Efron, Tibshirani: An Introduction to the Bootstrap, 1993, chapter 13).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pyspark.sql import Column
from pyspark.sql import functions as F

GROUPS = 1000
"""Groups of users, at most: enough that an interval hardly depends on them."""

F64 = npt.NDArray[np.float64]


def user_group(user: Column, *, seed: int) -> Column:
    """The group of a user, 0 to `GROUPS` - 1, by a hash of index and seed (xxHash64)."""
    return F.pmod(F.xxhash64(F.lit(seed), user), F.lit(GROUPS)).cast("int")


def resampled(groups: F64, *, resamples: int, seed: int) -> F64:
    """The sums of each resample.

    Args:
        groups: f64[g, k], the sums of each group.
        resamples: how many.
        seed: the same seed and number of groups, the same draws.

    Returns:
        f64[resamples, k]. Driver memory: 16 bytes for each resample and group.
    """
    n = len(groups)
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
    sums: F64 = drawn @ groups
    return sums


def interval(figures: F64, value: float) -> tuple[float, float]:
    """The middle 95 % of a figure's resamples, widened where needed to hold the figure of all users itself.

    Args:
        figures: f64[resamples].
        value: the figure of everything.
    """
    low, high = np.quantile(figures, [0.025, 0.975])
    return min(float(low), value), max(float(high), value)
