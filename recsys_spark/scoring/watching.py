"""What a person sees while lists are made."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
    ended, begin = threading.Event(), time.monotonic()

    def watch() -> None:
        before = 0
        while not ended.wait(every):
            if tally.users.value > before:
                before = tally.users.value
                say(so_far(tally, users=users, pairs=pairs, seconds=time.monotonic() - begin))

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


def _millions(count: float) -> str:
    return f"{count / 1e6:,.0f} M"
