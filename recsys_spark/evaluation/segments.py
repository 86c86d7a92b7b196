"""Segments: where the errors lie. Ratings are told apart by their level, and by how much is known of user and item."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from operator import add
from typing import NamedTuple

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

MOST_LEVELS = 20
"""Distinct ratings that are a segment each; where there are more, ranges are."""

RANGES = 10
"""Ranges of equal width that stand in for levels."""

_COUNT_STARTS = (1, 5, 10, 20, 50, 100, 200)


class Bins(NamedTuple):
    """Neighbouring ranges of a number, each with the name of its segment."""

    starts: tuple[float, ...]
    """The lowest value of each bin but the first, ascending."""

    names: tuple[str, ...]
    """One more than `starts`."""

    def position(self, value: Column) -> Column:
        """The position of the bin that a value lies in: how many of `starts` are not above it."""
        return reduce(add, ((value >= F.lit(start)).cast("int") for start in self.starts), F.lit(0))


ALL = Bins((), ("",))
"""One bin for everything, where nothing is known to tell rows apart by."""


def rating_bins(ratings: DataFrame) -> Bins:
    """A bin for each distinct rating, `rating=4`; if there are many, equal ranges, `rating=3.5..4`.

    A range holds its lower end, the last one its upper end too. The driver collects at most `MOST_LEVELS` + 1 rows.

    Args:
        ratings: `rating` float, at least one row.
    """
    levels = [row[0] for row in ratings.select("rating").distinct().limit(MOST_LEVELS + 1).collect()]
    if len(levels) > MOST_LEVELS:
        levels = list(ratings.agg(F.min("rating"), F.max("rating")).collect()[0])
        return _ranges(*levels)
    return _levels(sorted(levels))


def count_bins(of: str) -> Bins:
    """Bins of a number of ratings, about doubling: `<of>=0`, `<of>=1-4`, ..., `<of>=200+`."""
    inner = [f"{start}-{end - 1}" for start, end in pairwise(_COUNT_STARTS)]
    names = tuple(f"{of}={label}" for label in ("0", *inner, f"{_COUNT_STARTS[-1]}+"))
    return Bins(_COUNT_STARTS, names)


def nearest_level(value: Column, levels: Sequence[float]) -> Column:
    """The position, in ascending order, of the level nearest to a value; halfway between two, of the upper one."""
    middles = tuple((low + high) / 2 for low, high in pairwise(sorted(levels)))
    return Bins(middles, ("",) * (len(middles) + 1)).position(value)


def _levels(levels: Sequence[float]) -> Bins:
    return Bins(tuple(levels[1:]), tuple(f"rating={_shown(level)}" for level in levels))


def _ranges(low: float, high: float) -> Bins:
    # as float32, like the ratings: a name then tells exactly where its range begins
    edges = np.linspace(low, high, RANGES + 1).astype(np.float32).tolist()
    return Bins(tuple(edges[1:-1]), tuple(f"rating={_shown(a)}..{_shown(b)}" for a, b in pairwise(edges)))


def _shown(rating: float) -> str:
    """The shortest decimals that mean this float32."""
    return np.format_float_positional(np.float32(rating), trim="-")
