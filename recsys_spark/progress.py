"""What a person, or a collector of logs, sees on stderr, and how long each stage took."""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from recsys_spark.errors import RecsysError


class Progress:
    """Lines on stderr: each with the seconds since the start, or each a JSON object. stdout is left to the summary."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._stage: str | None = None
        self._json: dict[str, str] | None = None
        self.seconds: dict[str, float] = {}
        """Wall time of each stage that has ended, also of one that has failed."""

    def log_as_json(self, *, job: str, run_id: str) -> None:
        """From now on write JSON objects with `time`, `run_id`, `job`, `stage`, `event`, `seconds`, `message`."""
        self._json = {"run_id": run_id, "job": job}

    @property
    def lines_only(self) -> Callable[[str], None] | None:
        """Takes the lines of those who would draw on stderr themselves, where nothing but JSON may stand; else none."""
        return None if self._json is None else self.say

    def say(self, text: str) -> None:
        """One line."""
        self._write("progress", text)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Announce a stage and keep its wall time under its name."""
        begin, outer, self._stage = time.monotonic(), self._stage, name
        self._write("stage_started", f"{name} ...")
        try:
            yield
        except BaseException:
            took = self.seconds[name] = round(time.monotonic() - begin, 2)
            if self._json is not None:
                self._write("stage_failed", f"{name} failed after {took:.1f} s", stage_seconds=took)
            # it stays the stage at hand: whatever is said from now on is about its failure
            raise
        took = self.seconds[name] = round(time.monotonic() - begin, 2)
        self._write("stage_done", f"{name} done in {took:.1f} s", stage_seconds=took)
        self._stage = outer

    def fail(self, error: Exception, told: dict[str, str]) -> None:
        """Say why the job ends; of an error that nobody expected also where it came from.

        Args:
            error: what was raised.
            told: its `code`, `message` and `hint` in the summary.
        """
        expected = isinstance(error, RecsysError)
        if self._json is not None:
            origin = {} if expected else {"traceback": "".join(traceback.format_exception(error))}
            self._write("failed", told["message"], code=told["code"], hint=told["hint"], **origin)
            return
        if not expected:
            traceback.print_exception(error)
        print(f"\n{error if expected else told}", file=sys.stderr, flush=True)

    def end(self, *, status: str, exit_code: int) -> None:
        """Say how the job ended, to collectors alone: a person sees the summary below."""
        if self._json is not None:
            self._write("ended", status, exit_code=exit_code)

    def _write(self, event: str, text: str, **also: Any) -> None:
        seconds = time.monotonic() - self._start
        line = f"[{seconds:6.1f} s] {text}"
        if self._json is not None:
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            values = {"time": now, **self._json, "stage": self._stage, "event": event, "seconds": round(seconds, 3)}
            line = json.dumps({**values, "message": text, **also})
        # at once, so that lines of two threads do not mix
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
