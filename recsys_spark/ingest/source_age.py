"""How old the newest rating is: a source that is stuck gives sound rows, night after night."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.errors import DataError


def newest_rating(ratings: DataFrame, end: datetime) -> datetime | None:
    """The greatest `timestamp` before an end, UTC; none if there is none. The driver collects one number."""
    return moment(ratings.agg(newest_before(end).alias("at")).collect()[0]["at"])


def newest_before(end: datetime) -> Column:
    """The greatest `timestamp` before an end, in microseconds: an aggregate."""
    return F.max(F.when(F.col("timestamp") < F.lit(end), F.unix_micros("timestamp")))


def moment(microseconds: int | None) -> datetime | None:
    """Of so many microseconds since 1970, UTC."""
    return None if microseconds is None else datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds)


def check_source_age(ratings: DataFrame, end: datetime, most_days: float, *, stage: str) -> None:
    """Stop if the newest rating is too old.

    Args:
        ratings: the accepted ones: `timestamp`.
        end: of the `as_of` day. What is later does not count: one wrong date would make a stuck source look healthy.
        most_days: `quality.max_source_age`.
        stage: where the ratings lie, for the message.

    Raises:
        DataError: the newest rating is older, or no rating tells its time.
    """
    newest = newest_rating(ratings, end)
    if newest is not None and end - newest <= timedelta(days=most_days):
        return
    found = "none with a timestamp before it"
    if newest is not None:
        days = (end - newest) / timedelta(days=1)
        found = f"the newest of {newest:%Y-%m-%d %H:%M:%S} UTC, {days:,.1f} days before it"
    raise DataError(
        "quality.max_source_age",
        expected=f"a rating at most {most_days:g} days before {end:%Y-%m-%d %H:%M} UTC, where the as_of day ends",
        found=found,
        hint=f"is the source stuck? the visible tables are unchanged; the ratings are in {stage}",
    )
