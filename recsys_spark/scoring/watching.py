"""What a person sees while lists are made."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pyspark.sql import SparkSession

from recsys_spark.scoring.shipping import Tally

SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def watched(
    tally: Tally, say: Callable[[str], None], *, users: int, pairs: int, every: float = SECONDS_BETWEEN_LINES
) -> Iterator[None]:
    """Within this, say every few seconds how far the tasks are, if they are any further; nothing if it ends sooner.

    Args:
        tally: what the tasks count.
        say: takes a line.
        users: how many there are in all.
        pairs: likewise.
        every: seconds from one line to the next.
    """
    before = 0

    def news(seconds: float) -> str | None:
        nonlocal before
        if tally.users.value <= before:
            return None
        before = tally.users.value
        return so_far(tally, users=users, pairs=pairs, seconds=seconds)

    with _saying(news, say, every):
        yield


@contextmanager
def tasks_watched(
    spark: SparkSession, say: Callable[[str], None], *, every: float = SECONDS_BETWEEN_LINES
) -> Iterator[None]:
    """The same over Spark Connect, where nothing is counted: the server tells how many tasks have ended.

    Args:
        spark: a session of Spark Connect.
        say: takes a line.
        every: seconds from one line to the next.
    """
    done = of = before = 0

    def take(stages: Any, **_: Any) -> None:
        nonlocal done, of
        if stages:  # the last message of an operation may name none
            done, of = sum(s.num_completed_tasks for s in stages), sum(s.num_tasks for s in stages)

    def news(seconds: float) -> str | None:
        nonlocal before
        if done == before:
            return None
        before = done
        return tasks_so_far(done, of, seconds=seconds)

    # pyspark's types know the method, but no function that it would take
    session: Any = spark
    session.registerProgressHandler(take)
    try:
        with _saying(news, say, every):
            yield
    finally:
        session.removeProgressHandler(take)


@contextmanager
def _saying(news: Callable[[float], str | None], say: Callable[[str], None], every: float) -> Iterator[None]:
    """Within this, a thread asks for news every few seconds, with the seconds since the begin, and says them."""
    ended, begin = threading.Event(), time.monotonic()

    def watch() -> None:
        while not ended.wait(every):
            line = news(time.monotonic() - begin)
            if line is not None:
                say(line)

    thread = threading.Thread(target=watch, name="watched", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def so_far(tally: Tally, *, users: int, pairs: int, seconds: float) -> str:
    """One line: what is done, how fast, and how long the rest will take if it goes on like this.

    Users and pairs are capped at their totals, since a repeated task may have been counted twice.
    """
    decided, scored = tally.decided.value, tally.scored.value
    done = min(decided, pairs)
    speed = done / seconds
    skipped = 1 - scored / decided if decided else 0.0
    left = (pairs - done) / speed if speed else 0.0
    return (
        f"{min(tally.users.value, users):,} of {users:,} users, {_millions(done)} of {_millions(pairs)} pairs, "
        f"{skipped:.1%} skipped by a bound, {_millions(speed)} pairs/s, about {left:,.0f} s left"
    )


def tasks_so_far(done: int, of: int, *, seconds: float) -> str:
    """One line of what is known of tasks; they are cut to take equally long."""
    return f"{done:,} of {of:,} tasks, about {seconds / done * (of - done):,.0f} s left"


def _millions(count: float) -> str:
    return f"{count / 1e6:,.0f} M"
