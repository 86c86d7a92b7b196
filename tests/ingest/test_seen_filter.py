"""Which seen rows count: by age, by kind of event, and for any dates."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from recsys_spark.ingest.quality import rows_that_count
from recsys_spark.ingest.settings import SeenFilter
from recsys_spark.run import end_of

AS_OF = date(2024, 3, 1)
"""The day after a leap day."""

ROWS = [
    ("first moment of the day", "2024-03-01T00:00:00Z", "view"),
    ("last moment of the day", "2024-03-01T23:59:59.999999Z", "purchase"),
    ("last moment of the leap day", "2024-02-29T23:59:59.999999Z", "view"),
    ("first moment of the leap day", "2024-02-29T00:00:00Z", "purchase"),
    ("last moment of the day before", "2024-02-28T23:59:59.999999Z", "view"),
    ("tomorrow", "2024-03-02T00:00:00Z", "View"),
    ("without a time", None, "purchase"),
    ("without an event", "2024-03-01T12:00:00Z", None),
]


def counting(spark: SparkSession, rules: SeenFilter) -> set[str]:
    rows = spark.createDataFrame(
        [(name, None if text is None else datetime.fromisoformat(text), event) for name, text, event in ROWS],
        "item string, timestamp timestamp, event string",
    )
    return {row["item"] for row in rows_that_count(rows, rules, end_of(AS_OF)).collect()}


def test_days_count_back_from_the_end_of_the_business_date_and_no_row_is_too_new(spark: SparkSession) -> None:
    today = {"first moment of the day", "last moment of the day", "tomorrow", "without an event"}
    assert counting(spark, SeenFilter(within_days=1)) == today | {"without a time"}

    leap_day = {"last moment of the leap day", "first moment of the leap day"}
    assert counting(spark, SeenFilter(within_days=2)) == today | leap_day | {"without a time"}


def test_only_the_events_named_count_letter_by_letter(spark: SparkSession) -> None:
    assert counting(spark, SeenFilter(events=("purchase",))) == {
        "last moment of the day",
        "first moment of the leap day",
        "without a time",
    }


def test_a_row_must_satisfy_both_where_both_are_given(spark: SparkSession) -> None:
    found = counting(spark, SeenFilter(within_days=1, events=("purchase", "other")))

    assert found == {"last moment of the day", "without a time"}


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
@settings(max_examples=4, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(
    as_of=st.dates(date(1999, 1, 1), date(2060, 12, 31)),
    days=st.integers(1, 800),
    minutes=st.lists(st.integers(-900 * 1440, 3 * 1440), min_size=100, max_size=200),
)
def test_a_row_counts_exactly_if_its_utc_date_is_one_of_the_last_days_or_later(
    spark: SparkSession, zone: str, as_of: date, days: int, minutes: list[int]
) -> None:
    midnight = datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC)
    edges = [1440 * (1 - days) + around for around in (-1, 0, 1)]
    times = [midnight + timedelta(minutes=m) for m in (*minutes, *edges)]
    spark.conf.set("spark.sql.session.timeZone", zone)
    try:
        rows = spark.createDataFrame(list(enumerate(times)), "place int, timestamp timestamp").coalesce(1)
        found = {row["place"] for row in rows_that_count(rows, SeenFilter(within_days=days), end_of(as_of)).collect()}
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")

    last_days = {as_of - timedelta(days=back) for back in range(days)}
    assert found == {place for place, time in enumerate(times) if time.date() in last_days or time.date() > as_of}
