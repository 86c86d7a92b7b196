"""Timing in turns on one core: each round runs every contender once, so that what disturbs one disturbs all."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping

LEAST_SECONDS = 0.03
"""A run that takes less is repeated within its round, as often as reaches this."""


def on_one_core() -> None:
    """Pin this process, where the system lets it; BLAS threads are for the environment to limit."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def seconds_in_turns(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median seconds of one run of each.

    Args:
        contenders: what to run, by name.
        rounds: a first one, in which things are compiled and repetitions are found, is not counted.
    """
    repeats = {}
    for name, run in contenders.items():
        run()
        repeats[name] = max(1, round(LEAST_SECONDS / max(_seconds(run, 1), 1e-9)))
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            seconds[name].append(_seconds(run, repeats[name]))
    return {name: statistics.median(values) for name, values in seconds.items()}


def _seconds(run: Callable[[], object], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - start) / repeats


def tell(text: str) -> None:
    """A line for people, at once; stdout is for the figures."""
    print(text, file=sys.stderr, flush=True)
