"""Sums of errors from one pass over the ratings, fine enough that every figure follows from them on the driver.

Each rating is scored once, by all scorers. Spark then sums errors by *cell*, the combination of part and the bins of
the rating, of the user's and of the item's number of ratings (3 x 20 x 8 x 8 at most), and by group of users, for
resamples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from recsys_spark.evaluation.ages import weight_of
from recsys_spark.evaluation.bootstrap import user_group
from recsys_spark.evaluation.levels import with_most_likely
from recsys_spark.evaluation.segments import ALL, Bins, count_bins, nearest_level
from recsys_spark.kernels.levels import levels_in_rating_units
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.scoring.pairs import score_pairs
from recsys_spark.training.recency import Recency

F64 = npt.NDArray[np.float64]
Key = TypeVar("Key")

_CELL = ("part", "_rating", "_user", "_item")
_VALUES = ("rating", "_user_ratings", "_item_ratings")
"""What the bins of a cell are of."""

_GROUP = "_group"
_WEIGHT = "_weight"

WEIGHT = ("", "weight")
"""Stands among the means of `ErrorSums` for the sum of what ratings count: what `_recent` errors are divided by."""


@dataclass(frozen=True, eq=False)
class ErrorSums:
    """Sums over the ratings of some part, segment or group: f64[1 + k], the number of ratings and k sums.

    Args:
        means: scorer and metric of each of the k sums; divided by the number it is that metric.
        bins: of the rating, of the user's and of the item's number of ratings.
        cells: sums by part and the positions of the three bins; a cell without ratings is missing.
        groups: by part f64[g, 1 + k], a row for each group of users with ratings there; empty if none were asked for.
    """

    means: tuple[tuple[str, str], ...]
    bins: tuple[Bins, Bins, Bins]
    cells: Mapping[tuple[str, int, int, int], F64]
    groups: Mapping[str, F64]

    def by_part(self) -> dict[str, F64]:
        """The sums of each part."""
        return _added((part, sums) for (part, *_), sums in self.cells.items())

    def by_segment(self) -> dict[tuple[str, str], F64]:
        """The sums of each part and segment that has ratings."""
        kinds = [(kind, bins.names) for kind, bins in enumerate(self.bins) if bins is not ALL]
        return _added(
            ((part, names[position[kind]]), sums)
            for kind, names in kinds
            for (part, *position), sums in self.cells.items()
        )


def error_sums(
    ratings: DataFrame,
    scorers: Mapping[str, PairScorer],
    *,
    bins: Bins,
    popularity: PairScorer | None,
    group_seed: int | None,
    recency: Mapping[str, Recency] | None = None,
) -> ErrorSums:
    """Score ratings and sum the errors.

    Args:
        ratings: `user_index`, `item_index`, `rating`, `part`.
        scorers: by name. Those that clip are measured with clipped and with unclipped scores, those with levels by
            their most likely level too.
        bins: of the rating.
        popularity: user_bias and item_bias hold how many ratings each user and item has among the rows that the scorers
            were fitted on; none: no segments by these.
        group_seed: of the groups of users; none: no groups.
        recency: by part, what ratings count by their age, for further sums of errors; none: no such sums.

    Returns:
        The sums. The driver collects one row for each cell and for each part and group of users.
    """
    all_bins = (bins, count_bins("user_ratings"), count_bins("item_ratings")) if popularity else (bins, ALL, ALL)
    scored = _scored(ratings.withColumn(_WEIGHT, _weight(recency)) if recency else ratings, scorers, popularity)
    measured = {
        mean: column
        for name, scorer in scorers.items()
        for mean, column in _measured(name, scorer, recent=bool(recency)).items()
    }
    if recency:
        measured[WEIGHT] = F.col(_WEIGHT)
    keyed = scored.select(
        "part",
        *(b.position(F.col(value)).alias(key) for b, value, key in zip(all_bins, _VALUES, _CELL[1:], strict=True)),
        user_group(F.col("user_index"), seed=group_seed or 0).alias(_GROUP),
        *(column.alias(f"_{position}") for position, column in enumerate(measured.values())),
    )
    if group_seed is None:
        grouped = keyed.groupBy(*_CELL)
    else:
        grouped = keyed.groupingSets([_CELL, ("part", _GROUP)], *_CELL, _GROUP)
    sums = (F.sum(f"_{position}").alias(f"_{position}") for position in range(len(measured)))
    rows = grouped.agg(F.count(F.lit(1)).alias("_n"), *sums).collect()
    return _collected(rows, tuple(measured), all_bins)


def _scored(ratings: DataFrame, scorers: Mapping[str, PairScorer], popularity: PairScorer | None) -> DataFrame:
    """The ratings with each scorer's unclipped score, most likely levels, and numbers of ratings."""
    counts = {}
    if popularity is not None:
        # the number of ratings as a score: exact in float32 up to 16 million
        counts["_user_ratings"] = replace(popularity, item_bias=None)
        counts["_item_ratings"] = replace(popularity, user_bias=None)
    unclipped = {name: replace(scorer, clip=None) for name, scorer in scorers.items()}
    classifiers = {f"_level_{name}": scorer for name, scorer in scorers.items() if scorer.levels is not None}
    beside = [_WEIGHT] if _WEIGHT in ratings.columns else []
    pairs = ratings.select("user_index", "item_index", "rating", "part", *beside)
    scored = with_most_likely(score_pairs(pairs, unclipped | counts), classifiers)
    return scored if popularity is not None else scored.withColumns({name: F.lit(0) for name in _VALUES[1:]})


def _weight(recency: Mapping[str, Recency]) -> Column:
    """By the part of a rating."""
    weights = (F.when(F.col("part") == part, weight_of(of_part)) for part, of_part in recency.items())
    return F.coalesce(*weights, F.lit(1.0))


def _measured(name: str, scorer: PairScorer, *, recent: bool) -> dict[tuple[str, str], Column]:
    """What is summed for one scorer, by its name and the metric that its mean is."""
    rating, score = F.col("rating").cast("double"), F.col(name)
    columns = _errors(_clipped(score, scorer.clip), rating, "")
    if recent:
        columns |= {f"{metric}_recent": column * F.col(_WEIGHT) for metric, column in columns.items()}
    if scorer.clip is not None:
        columns |= _errors(score, rating, "_unclipped")
    if scorer.levels is not None:
        levels, level = levels_in_rating_units(scorer).tolist(), F.col(f"_level_{name}")
        columns["accuracy"] = (nearest_level(level, levels) == nearest_level(rating, levels)).cast("double")
        columns["mae_most_likely"] = F.abs(level.cast("double") - rating)
    return {(name, metric): column for metric, column in columns.items()}


def _errors(score: Column, rating: Column, suffix: str) -> dict[str, Column]:
    error = score.cast("double") - rating
    return {f"mse{suffix}": error * error, f"mae{suffix}": F.abs(error)}


def _clipped(score: Column, clip: tuple[float, float] | None) -> Column:
    if clip is None:
        return score
    # Spark holds NaN to be above every number; a score that is none must stay seen
    low, high = (F.lit(bound).cast("float") for bound in clip)
    return F.when(F.isnan(score), score).otherwise(F.least(F.greatest(score, low), high))


def _collected(rows: Iterable[Row], means: tuple[tuple[str, str], ...], bins: tuple[Bins, Bins, Bins]) -> ErrorSums:
    cells: dict[tuple[str, int, int, int], F64] = {}
    groups: dict[tuple[str, int], F64] = {}
    for row in rows:
        values = row.asDict()
        sums = np.array([values["_n"], *(values[f"_{position}"] for position in range(len(means)))], np.float64)
        if values.get(_GROUP) is not None:
            groups[row["part"], row[_GROUP]] = sums
        else:
            cells[row["part"], row["_rating"], row["_user"], row["_item"]] = sums
    # in a fixed order, whatever Spark's was, so that the same sums give the same totals and resamples
    parts = {part for part, _ in groups}
    by_part = {part: np.stack([groups[key] for key in sorted(groups) if key[0] == part]) for part in sorted(parts)}
    return ErrorSums(means, bins, {key: cells[key] for key in sorted(cells)}, by_part)


def _added(keyed: Iterable[tuple[Key, F64]]) -> dict[Key, F64]:
    totals: dict[Key, F64] = {}
    for key, sums in keyed:
        totals[key] = totals[key] + sums if key in totals else sums
    return totals
