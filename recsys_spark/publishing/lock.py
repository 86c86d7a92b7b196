"""One run at a time for each output.

    state/lock/000007.json   who holds the output, since when, and until when it may be silent

Locks are numbered and created with the store's own "only if it does not exist". Whoever wants the output looks at the
highest number: if its owner is alive, the output is taken; else the next number is created, and of several who try it
one succeeds. So a dead owner is taken over without a moment in which two could believe that they hold it. The number is
a fencing token as well: an owner who was suspended for longer than the lease finds a higher one and stops.

An owner on the same host is dead if its process is; one on another host, if it has not said for a whole lease that it
is alive. The store's clock is not asked: hosts are expected to agree within less than a lease.
"""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from recsys_spark.errors import LockedError
from recsys_spark.storage import Folder

_NAME = re.compile(r"(\d{6,})\.json")


class CreateNew(Protocol):
    """Creates a JSON file of a folder unless it exists; tells whether it did."""

    def __call__(self, folder: Folder, name: str, value: dict[str, Any]) -> bool:
        """See the class."""


def create_on_disk(folder: Folder, name: str, value: dict[str, Any]) -> bool:
    """`CreateNew` of local file systems."""
    return folder.create_json(name, value)


@dataclass(frozen=True)
class Owner:
    """Who holds an output.

    Args:
        run_id: of the attempt.
        job: its name.
        host: where its driver runs.
        place: the host and what the driver's process number counts in: containers have numbers of their own.
        process: the driver's process there.
        process_started: tells it from a later process of the same number; 0 where the system does not say.
        started_at: when it got the output (UTC, ISO 8601).
        seen_at: when it last said that it is alive (UTC, ISO 8601).
        lease_seconds: how long it may be silent.
        released: whether it has given the output back.
    """

    run_id: str
    job: str
    host: str
    place: str
    process: int
    process_started: int
    started_at: str
    seen_at: str
    lease_seconds: float
    released: bool = False

    @classmethod
    def this_process(cls, run_id: str, job: str, lease: timedelta) -> Owner:
        """An owner in this process, from now on."""
        now, process = _now(), os.getpid()
        host, seconds = socket.gethostname(), lease.total_seconds()
        return cls(run_id, job, host, _place(), process, _start_of(process), now, now, seconds)

    @property
    def holds(self) -> bool:
        """Whether it still holds the output, as far as can be told from here."""
        if self.released:
            return False
        if self.place == _place():
            return _is_running(self.process, self.process_started)
        silent = datetime.now(UTC) - datetime.fromisoformat(self.seen_at)
        return silent < timedelta(seconds=self.lease_seconds)


@dataclass(frozen=True)
class Lock:
    """A held output.

    Args:
        folder: of the lock files.
        number: of this one.
        owner: as it was written.
    """

    folder: Folder
    number: int
    owner: Owner

    def check(self) -> None:
        """Make sure that nobody has taken the output over, as happens to an owner who was silent for too long.

        Raises:
            LockedError: somebody has.
        """
        newest = newest_lock(self.folder)
        if newest is not None and newest[0] > self.number:
            raise LockedError(
                str(self.folder),
                expected=f"lock {self.number}, of this run, to be the newest",
                found=f"lock {newest[0]}, {_described(newest[1])}",
                hint="it was silent for longer than run.lease_seconds, so another run took over; unless its machine "
                "was suspended, give run.lease_seconds a larger value",
            )

    def stay(self) -> None:
        """Say that the owner is alive."""
        self.check()
        self.folder.write_json(_name(self.number), asdict(replace(self.owner, seen_at=_now())))

    def release(self) -> None:
        """Give the output back. The file stays and says so: a number is never used twice."""
        self.folder.write_json(_name(self.number), asdict(replace(self.owner, seen_at=_now(), released=True)))


def newest_lock(folder: Folder) -> tuple[int, Owner] | None:
    """The lock with the highest number, and its owner; none: there never was one."""
    for number in sorted(_numbers(folder), reverse=True):
        try:
            stored = folder.read_json(_name(number))
        except ValueError:
            # a store that shows a file before it is complete: its owner is at it right now
            raise LockedError(
                f"{folder}/{_name(number)}",
                expected="a lock that can be read",
                found="one that is being written",
                hint="start again in a moment; if it stays so, its owner died at that very moment: remove the file",
            ) from None
        if stored is not None:
            return number, Owner(**stored)
    return None


def acquire(folder: Folder, owner: Owner, create: CreateNew = create_on_disk) -> Lock:
    """Take an output.

    Args:
        folder: of the lock files of that output.
        owner: who takes it.
        create: creates a file only if it does not exist, in the way of the folder's store.

    Raises:
        LockedError: somebody else holds it; names them.
    """
    newest = newest_lock(folder)
    if newest is not None and newest[1].holds:
        raise _locked(folder, newest[1])
    number = 1 if newest is None else newest[0] + 1
    if not create(folder, _name(number), asdict(owner)):
        # somebody was quicker, by less than it takes to look
        winner = newest_lock(folder)
        raise _locked(folder, owner if winner is None else winner[1])
    lock = Lock(folder, number, owner)
    lock.check()
    for older in _numbers(folder):
        if older < number - 1:
            folder.delete_file(_name(older))
    return lock


@contextmanager
def held(folder: Folder, owner: Owner, create: CreateNew = create_on_disk) -> Iterator[Lock]:
    """Hold an output for as long as the block runs, saying four times in a lease that its owner is alive.

    Raises:
        LockedError: somebody else holds it.
    """
    lock, done = acquire(folder, owner, create), threading.Event()

    def stay_alive() -> None:
        while not done.wait(owner.lease_seconds / 4):
            try:
                lock.stay()
            except LockedError:
                return  # `check` tells the run itself, before it publishes
            except OSError:
                continue  # a store that is away for a moment: the lease bears three of them

    thread = threading.Thread(target=stay_alive, name="lock", daemon=True)
    thread.start()
    try:
        yield lock
    finally:
        done.set()
        thread.join()
        newest = newest_lock(folder)
        if newest is None or newest[0] == lock.number:
            lock.release()


def _locked(folder: Folder, owner: Owner) -> LockedError:
    return LockedError(
        str(folder),
        expected="an output that no other run holds",
        found=_described(owner),
        hint="start again when it has ended; that a run died is noticed at once on its own host, on another one after "
        f"{owner.lease_seconds:g} s",
    )


def _described(owner: Owner) -> str:
    return (
        f"run {owner.run_id} ({owner.job}) on host {owner.host}, process {owner.process}, since {owner.started_at}, "
        f"last seen {owner.seen_at}"
    )


def _numbers(folder: Folder) -> list[int]:
    matches = (_NAME.fullmatch(name) for name in folder.children())
    return [int(match[1]) for match in matches if match]


def _name(number: int) -> str:
    return f"{number:06d}.json"


def _place() -> str:
    try:
        numbers = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        numbers = "pid"
    return f"{socket.gethostname()} {numbers}"


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _is_running(process: int, started: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's process is one, too
    return started in (0, _start_of(process))


def _start_of(process: int) -> int:
    """When a process started, in ticks since the machine did; 0 where the system does not say."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return 0
    # the name, in brackets, may hold anything
    state, *fields = text.rpartition(")")[2].split()
    return -1 if state in ("Z", "X") else int(fields[18])
