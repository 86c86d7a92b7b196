"""Which of two runs ranks better, by the users that both were measured on.

With d_g the difference of the sums of a group of users g and N the number of users, the gain is sum d_g / N. Its
interval comes from the resamples of groups that `bootstrap` draws, the same for both runs. Its p-value is that of
Fisher's randomisation test: if nothing but chance made one run better on a group and the other on the next, each d_g
might as well have the other sign; p is the share of random signs under which the gain is at least as large as it is
(Smucker, Allan, Carterette: A Comparison of Statistical Significance Tests for Information Retrieval Evaluation, CIKM
2007, section 3; there over single queries).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsys_spark.errors import DataError
from recsys_spark.evaluation.bootstrap import F64, interval, resampled
from recsys_spark.evaluation.groups import RELEVANT, USERS, GroupSums

RESAMPLES = 10_000

_SIGNS_AT_ONCE = 1000


class Comparison(NamedTuple):
    """One metric of two runs on one part."""

    split: str
    metric: str
    n_users: int
    value: float
    other: float
    gain: float
    """`value` minus `other`."""

    low: float
    """Lower end of the 95 % interval of the gain."""

    high: float
    p: float
    """Probability of a gain of at least this size, of either sign, if neither is better."""


def compared(mine: GroupSums, other: GroupSums, *, seed: int = 0) -> list[Comparison]:
    """Compare two scorers on one part.

    Args:
        mine: of one run.
        other: of another run, or of another scorer of the same one.
        seed: of resamples and signs.

    Returns:
        A comparison for each metric that both have, in the order of `mine`.

    Raises:
        DataError: they were not measured on the same users by the same held-out ratings, or have no metric in common.
    """
    _check(mine, other)
    n = mine.of(USERS)
    total = float(n.sum())
    found = []
    for metric in (metric for metric in mine.metrics if metric in other.metrics):
        gains = mine.of(metric) - other.of(metric)
        gain = float(gains.sum()) / total
        sums = resampled(np.stack([gains, n], axis=1), resamples=RESAMPLES, seed=seed)
        low, high = interval(sums[:, 0] / sums[:, 1], gain)
        value, others = (float(run.of(metric).sum()) / total for run in (mine, other))
        p = _randomised(gains, seed)
        found.append(Comparison(mine.split, metric, int(total), value, others, gain, low, high, p))
    return found


def _randomised(gains: F64, seed: int) -> float:
    """Two-sided p-value; the signs as they are count as one of the draws, so that it is never 0."""
    generator = np.random.default_rng(seed)
    # sums of other orders of the same numbers differ in their last bits
    reached = abs(gains.sum()) * (1 - 1e-12)
    as_large = 0
    for _ in range(RESAMPLES // _SIGNS_AT_ONCE):
        signs = generator.integers(2, size=(_SIGNS_AT_ONCE, len(gains)), dtype=np.int8) * 2 - 1
        as_large += int((np.abs(signs @ gains) >= reached).sum())
    return (1 + as_large) / (1 + RESAMPLES)


def _check(mine: GroupSums, other: GroupSums) -> None:
    subject = f"comparison on the part {mine.split}"
    same = mine.groups == other.groups and all(
        np.array_equal(mine.of(column), other.of(column)) for column in (USERS, RELEVANT)
    )
    if not same:
        users, relevant = (
            " and ".join(f"{int(run.of(column).sum()):,}" for run in (mine, other)) for column in (USERS, RELEVANT)
        )
        raise DataError(
            subject,
            expected="the same users with the same held-out ratings in both runs",
            found=f"others ({users} users, {relevant} relevant ratings)",
            hint="the same source and split, evaluation.relevant_at and evaluation.seed make runs comparable",
        )
    if not set(mine.metrics) & set(other.metrics):
        raise DataError(
            subject,
            expected="a metric that both runs have",
            found=f"{', '.join(mine.metrics)} and {', '.join(other.metrics)}",
            hint="give both the same evaluation.k",
        )
