"""One night in processes of its own, that can be watched, hurt and killed."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.end_to_end.runs import PROJECT, clean_environment

PATIENCE = 600.0
"""Seconds after which a night counts as hanging."""

LOCAL = ("--master", "local[2]")
CLUSTER = ("--master", "local-cluster[2,1,1024]")
SMALL = (
    *("--set", "training.epochs=3", "--set", "evaluation.bootstrap=0"),
    *("--set", "output.history=4", "--set", "scoring.top_n=5"),
)


class Night:
    """A running `./spark-submit.sh JOB`, in a session of processes of its own.

    Args:
        output: where it writes.
        ratings: what it reads.
        day: its business date.
        job: another one than the whole night.
        options: of Spark.
        settings: further `key=value`.
        file_size: bytes that no file it writes may exceed; none: no limit.
    """

    def __init__(
        self,
        output: Path,
        ratings: Path,
        day: str,
        *,
        job: str = "nightly",
        options: Sequence[str] = LOCAL,
        settings: Sequence[str] = (),
        file_size: int | None = None,
    ) -> None:
        chosen = [f"source.path={ratings}", f"output.path={output}", *settings]
        command = [str(PROJECT / "spark-submit.sh"), *options, job, "--as-of", day, *SMALL]
        for setting in chosen:
            command += ["--set", setting]
        self._lines: list[str] = []
        self._process = subprocess.Popen(
            command,
            env=clean_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=_limit(file_size),
        )
        self._out: list[str] = []
        self._readers = [
            threading.Thread(target=_keep, args=(stream, kept), daemon=True)
            for stream, kept in ((self._process.stdout, self._out), (self._process.stderr, self._lines))
        ]
        for reader in self._readers:
            reader.start()

    @property
    def errors(self) -> str:
        """What it has said on stderr."""
        return "".join(self._lines)

    def until(self, said: str) -> bool:
        """Wait until it has said something; false: it ended before."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if said in self.errors:
                return True
            if self._process.poll() is not None:
                return said in self.errors
            time.sleep(0.005)
        raise TimeoutError(f"{said!r} was never said:\n{self.errors[-2000:]}")

    def kill(self, *parts: str) -> int:
        """Send SIGKILL to those of its processes whose command line holds one of the parts; gives how many."""
        chosen = [pid for pid, command in self._processes() if any(part in command for part in parts)]
        for pid in chosen:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(chosen)

    def end(self) -> tuple[int, dict[str, Any]]:
        """Wait for its end; gives the exit code and the summary, empty if there was none."""
        code = self._process.wait(PATIENCE)
        deadline = time.monotonic() + 60
        while self._processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        for pid, _ in self._processes():  # what survives its driver would go on writing
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for reader in self._readers:
            reader.join(10)
        last = self._out[-1] if self._out else ""
        return code, json.loads(last) if last.startswith("{") else {}

    def _processes(self) -> list[tuple[int, str]]:
        found = []
        for place in Path("/proc").iterdir():
            if not place.name.isdigit():
                continue
            with suppress(OSError, ValueError, IndexError):
                state, _, _, session = (place / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(session) == self._process.pid and state != "Z":
                    command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    found.append((int(place.name), command))
        return found


def _limit(file_size: int | None) -> Callable[[], None] | None:
    if file_size is None:
        return None
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))


def _keep(stream: Any, lines: list[str]) -> None:
    with stream:
        # as they come, since others look at them meanwhile
        for line in stream:
            lines.append(line)
