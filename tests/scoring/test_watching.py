"""The lines of a long scoring, and their end."""

from __future__ import annotations

import threading
import time

import pytest
from pyspark.sql import SparkSession

from recsys_spark.scoring.shipping import Tally
from recsys_spark.scoring.watching import so_far, watched


def watchers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "watched"]


def tally_of(spark: SparkSession, users: int, decided: int, scored: int) -> Tally:
    tally = Tally.start(spark)
    tally.add(users=users, decided=decided, scored=scored)
    return tally


def test_a_line_tells_what_is_done_and_how_long_the_rest_will_take(spark: SparkSession) -> None:
    tally = tally_of(spark, users=1_000, decided=50_000_000, scored=500_000)

    assert so_far(tally, users=4_000, pairs=200_000_000, seconds=2.0) == (
        "1,000 of 4,000 users, 50 M of 200 M pairs, 99.0% skipped by a bound, 25 M pairs/s, about 6 s left"
    )


def test_users_that_were_counted_twice_are_not_more_than_there_are(spark: SparkSession) -> None:
    tally = tally_of(spark, users=6_000, decided=300_000_000, scored=300_000_000)

    assert so_far(tally, users=4_000, pairs=200_000_000, seconds=2.0) == (
        "4,000 of 4,000 users, 200 M of 200 M pairs, 0.0% skipped by a bound, 100 M pairs/s, about 0 s left"
    )


def test_a_line_comes_only_when_there_is_something_new(spark: SparkSession) -> None:
    lines: list[str] = []
    tally = Tally.start(spark)

    with watched(tally, lines.append, users=4, pairs=40, every=0.05):
        time.sleep(0.3)
        assert lines == []
        for done in (1, 2):
            tally.add(users=1, decided=10, scored=10)
            time.sleep(0.3)
            assert len(lines) == done

    assert [line.split(" users")[0] for line in lines] == ["1 of 4", "2 of 4"]


def test_a_short_job_says_nothing(spark: SparkSession) -> None:
    lines: list[str] = []

    with watched(tally_of(spark, 1, 10, 10), lines.append, users=4, pairs=40):
        time.sleep(0.1)

    assert lines == []


def fail_while_watched(tally: Tally) -> None:
    with watched(tally, print, users=4, pairs=40):
        assert watchers() == ["watched"]
        raise ZeroDivisionError


def test_the_watch_ends_with_the_job_even_if_that_fails(spark: SparkSession) -> None:
    with pytest.raises(ZeroDivisionError):
        fail_while_watched(Tally.start(spark))

    assert watchers() == []
