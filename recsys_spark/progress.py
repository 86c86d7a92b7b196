"""What a person watching stderr sees, and how long each stage took."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Progress:
    """Lines on stderr, each with the seconds since the start. stdout is left to the summary."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self.seconds: dict[str, float] = {}

    def say(self, text: str) -> None:
        """One line."""
        print(f"[{time.monotonic() - self._start:6.1f} s] {text}", file=sys.stderr, flush=True)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Announce a stage and keep its wall time under its name."""
        begin = time.monotonic()
        self.say(f"{name} ...")
        yield
        self.seconds[name] = round(time.monotonic() - begin, 2)
        self.say(f"{name} done in {self.seconds[name]:.1f} s")
