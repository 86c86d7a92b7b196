"""One run at a time: of many who want an output one gets it, the dead are taken over, the suspended notice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recsys_spark.errors import LockedError
from recsys_spark.publishing.lock import Lock, Owner, acquire, held, newest_lock
from recsys_spark.storage import Folder

LEASE = timedelta(seconds=60)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(str(tmp_path / "out" / "state" / "lock"))


def owner(name: str = "mine") -> Owner:
    return Owner.this_process(name, "nightly", LEASE)


def elsewhere(name: str, *, silent: timedelta) -> Owner:
    """An owner on another host, last seen some time ago."""
    seen = (datetime.now(UTC) - silent).isoformat()
    return replace(owner(name), host="another", place="another pid:[1]", seen_at=seen)


def test_who_holds_an_output_is_named_to_the_second_one(folder: Folder) -> None:
    with held(folder, owner("first")), pytest.raises(LockedError) as raised:
        acquire(folder, owner("second"))

    assert raised.value.exit_code == 4
    for fact in ("first", "nightly", f"process {os.getpid()}", "since 20"):
        assert fact in raised.value.found


def test_a_lock_given_back_can_be_had_and_numbers_only_grow(folder: Folder) -> None:
    numbers = []
    for _ in range(4):
        with held(folder, owner()) as lock:
            numbers.append(lock.number)

    assert numbers == [1, 2, 3, 4]
    assert len(folder.children()) == 2


def test_an_error_inside_gives_the_lock_back(folder: Folder) -> None:
    with pytest.raises(KeyError), held(folder, owner()):
        raise KeyError

    acquire(folder, owner())


def test_of_many_who_try_at_the_same_time_one_gets_it(folder: Folder) -> None:
    for turn in range(10):
        start, got, refused = threading.Barrier(8), list[Lock](), list[LockedError]()

        def attempt(name: str, start: threading.Barrier, got: list[Lock], refused: list[LockedError]) -> None:
            start.wait()
            try:
                got.append(acquire(folder, owner(name)))
            except LockedError as error:
                refused.append(error)

        threads = [
            threading.Thread(target=attempt, args=(f"{turn}-{n}", start, got, refused)) for n in range(start.parties)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert (len(got), len(refused)) == (1, 7)
        got[0].release()


@pytest.fixture
def killed(folder: Folder) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds the output until it is killed."""
    code = (
        "import sys, time; from datetime import timedelta; from recsys_spark.publishing.lock import Owner, acquire; "
        "from recsys_spark.storage import Folder; "
        f"acquire(Folder({folder.location!r}), Owner.this_process('dead', 'nightly', timedelta(hours=9))); "
        "print('held', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_an_owner_killed_on_this_host_is_taken_over_at_once(folder: Folder, killed: subprocess.Popen[bytes]) -> None:
    with pytest.raises(LockedError, match="run dead"):
        acquire(folder, owner())

    killed.send_signal(signal.SIGKILL)
    killed.wait()

    assert acquire(folder, owner()).number == 2


def test_a_dead_process_whose_number_is_used_again_is_dead(folder: Folder) -> None:
    acquire(folder, replace(owner("dead"), process_started=12))

    acquire(folder, owner())


def test_an_owner_elsewhere_is_believed_for_its_lease_and_no_longer(folder: Folder) -> None:
    acquire(folder, elsewhere("silent", silent=LEASE * 0.9))
    with pytest.raises(LockedError, match="on host another"):
        acquire(folder, owner())

    folder.write_json("000001.json", asdict(elsewhere("silent", silent=LEASE * 1.1)))
    assert acquire(folder, owner()).number == 2


def test_an_owner_who_was_taken_over_notices_before_it_publishes_and_never_takes_it_back(folder: Folder) -> None:
    suspended = acquire(folder, elsewhere("suspended", silent=LEASE * 2))
    second = acquire(folder, owner("second"))

    with pytest.raises(LockedError, match="second"):
        suspended.check()
    with pytest.raises(LockedError):
        suspended.stay()
    second.check()
    assert newest_lock(folder) == (2, second.owner)


def test_a_held_lock_says_again_and_again_that_its_owner_lives(folder: Folder) -> None:
    quick = replace(owner(), lease_seconds=0.2)

    with held(folder, quick) as lock:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            found = newest_lock(folder)
            if found is not None and found[1].seen_at > quick.seen_at:
                break
        else:
            pytest.fail("never seen again")
        assert found[0] == lock.number
    found = newest_lock(folder)
    assert found is not None
    assert found[1].released


def test_a_lock_of_which_a_part_is_there_is_told_by_its_file(folder: Folder) -> None:
    folder.path.mkdir(parents=True)
    (folder.path / "000001.json").write_text('{"run_id"')

    with pytest.raises(LockedError, match=r"000001\.json.*being written"):
        acquire(folder, owner())
