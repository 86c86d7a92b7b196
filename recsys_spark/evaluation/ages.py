"""How old held-out ratings are, for figures in which the newer ones count more."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.ingest.days import MICROSECONDS_OF_A_DAY
from recsys_spark.training.recency import LEAST, Recency


def recency_of(ratings: DataFrame, part: str, half_life: float | None) -> Recency | None:
    """What the ratings of a part count; none without a half-life. The driver collects one row.

    Args:
        ratings: `timestamp`, `part`.
        part: the newest rating of this part counts 1.
        half_life: in days.
    """
    if half_life is None:
        return None
    day = _day(F.col("timestamp"))
    row = ratings.where(F.col("part") == part).agg(F.min(day), F.max(day)).collect()[0]
    return Recency(half_life, newest=row[1] or 0.0, oldest=row[0] or 0.0)


def weight_of(recency: Recency) -> Column:
    """The same of one rating as a column over `timestamp`."""
    age = F.lit(recency.newest) - F.coalesce(_day(F.col("timestamp")), F.lit(recency.oldest))
    return F.greatest(F.pow(F.lit(2.0), -F.greatest(age, F.lit(0.0)) / F.lit(recency.half_life)), F.lit(LEAST))


def _day(timestamp: Column) -> Column:
    return F.unix_micros(timestamp) / F.lit(MICROSECONDS_OF_A_DAY)
