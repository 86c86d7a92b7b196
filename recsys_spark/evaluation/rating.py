"""Rating errors of a fit and its baselines, side by side on the same rows: overall, with intervals, and by segment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from pyspark.sql import DataFrame

from recsys_spark.errors import DataError
from recsys_spark.evaluation.ages import recency_of
from recsys_spark.evaluation.bootstrap import F64, interval, resampled
from recsys_spark.evaluation.segments import Bins
from recsys_spark.evaluation.sums import WEIGHT, ErrorSums, error_sums
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.manifest import KNOWN as KNOWN
from recsys_spark.manifest import MAIN as MAIN
from recsys_spark.manifest import RATING as RATING

DIVERSIFIED = "diversified"
"""Stands for a scorer: the model's lists as they are published, chosen for variety."""

VALIDATED = "validated"
"""The scorer of the fit on the train part alone, whose figures on the validation part are honest."""

GAIN = "mse_gain"
"""The least mse of a baseline minus that of the model."""


class Metric(NamedTuple):
    """One figure."""

    scorer: str
    split: str
    metric: str
    value: float
    epoch: int | None = None
    segment: str | None = None
    low: float | None = None
    high: float | None = None
    relevant_at: float | None = None


def rating_errors(
    ratings: DataFrame,
    scorers: Mapping[str, PairScorer],
    *,
    bins: Bins,
    popularity: PairScorer | None = None,
    resamples: int = 0,
    seed: int = 0,
    half_life: float | None = None,
) -> list[Metric]:
    """The errors of each scorer on each part, in rating units, from one pass over the ratings.

    Args:
        ratings: `user_index`, `item_index`, `rating`, `part`.
        scorers: by name.
        bins: of the rating, a segment each.
        popularity: how many ratings each user (user_bias) and item (item_bias) has among the rows that the scorers were
            fitted on, for segments by these; none: no such segments.
        resamples: for the 95 % intervals of the overall figures; 0: no intervals. There are none either on a part whose
            users fall into one group.
        seed: of groups of users and resamples.
        half_life: days after which a rating counts half as much as the newest of its part, for further figures, of
            which the name ends in `_recent`; needs `timestamp`. None: no such figures.

    Returns:
        For each part, overall and by segment, and for each scorer

        - `n`, the number of ratings, and `mse`, `rmse` and `mae` of the score as it is published;
        - of a scorer that clips also `mse_unclipped`, `rmse_unclipped` and `mae_unclipped`;
        - of a classifier also `accuracy`, the share of ratings whose nearest level is the most likely one, and
          `mae_most_likely`, the mean distance from the most likely level.

        With intervals, overall, also `mse_gain` of the scorer `main`: by how much its `mse` is below the best of the
        others. Both are measured on the same users, so this interval is narrower than those of the two.

    Raises:
        DataError: a scorer's error is not finite.
    """
    parts: list[str] = []
    if half_life is not None:
        parts = sorted(row["part"] for row in ratings.select("part").distinct().collect())
    ages = {part: recency_of(ratings, part, half_life) for part in parts}
    sums = error_sums(
        ratings,
        scorers,
        bins=bins,
        popularity=popularity,
        group_seed=seed if resamples else None,
        recency={part: found for part, found in ages.items() if found is not None},
    )
    metrics: list[Metric] = []
    for part, total in sums.by_part().items():
        _check_finite(sums, total, part)
        groups = sums.groups.get(part, np.empty((0, 0)))
        draws = resampled(groups, resamples=resamples, seed=seed) if len(groups) > 1 else None
        metrics += _overall(sums, part, total, draws)
    for (part, segment), total in sums.by_segment().items():
        metrics += [m._replace(segment=segment) for m in _overall(sums, part, total, None)]
    return metrics


def _overall(sums: ErrorSums, part: str, total: F64, draws: F64 | None) -> Iterator[Metric]:
    """The figures of one total, with intervals if there are draws, f64[resamples, 1 + k], to take them from."""
    figures = _figures(sums, total)
    drawn = None if draws is None else _figures(sums, draws)
    scorer = None
    for (name, metric), value in figures.items():
        if name != scorer:
            yield Metric(name, part, "n", float(total[0]))
            scorer = name
        low, high = (None, None) if drawn is None else interval(drawn[name, metric], float(value))
        yield Metric(name, part, metric, float(value), low=low, high=high)
    others = {name: float(value) for (name, metric), value in figures.items() if metric == "mse" and name != MAIN}
    if drawn is not None and others and (MAIN, "mse") in figures:
        best = min(others, key=lambda name: others[name])
        gain = others[best] - float(figures[MAIN, "mse"])
        low, high = interval(drawn[best, "mse"] - drawn[MAIN, "mse"], gain)
        yield Metric(MAIN, part, GAIN, gain, low=low, high=high)


def _figures(sums: ErrorSums, totals: F64) -> dict[tuple[str, str], F64]:
    """Each metric, by scorer, of totals f64[..., 1 + k]: the means, and beside each mse its root."""
    figures = {}
    weight = sums.means.index(WEIGHT) + 1 if WEIGHT in sums.means else 0
    for position, (scorer, metric) in enumerate(sums.means, start=1):
        if (scorer, metric) == WEIGHT:
            continue
        mean = totals[..., position] / totals[..., weight if metric.endswith("_recent") else 0]
        figures[scorer, metric] = mean
        if metric.startswith("mse"):
            figures[scorer, "r" + metric] = np.sqrt(mean)
    return figures


def _check_finite(sums: ErrorSums, total: F64, part: str) -> None:
    for (scorer, metric), value in zip(sums.means, total[1:], strict=True):
        if not np.isfinite(value):
            raise DataError(
                f"scorer {scorer}",
                expected="finite scores for all ratings",
                found=f"a {metric} of {value} on the part {part}",
                hint="the training has diverged: a smaller learning rate or scaled targets may help",
            )
