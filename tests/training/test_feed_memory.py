"""Rows on disk cost the driver a few blocks of memory, however many they are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FEW, MANY = 2_000_000, 6_000_000
MIB = 1 << 20

PROGRAM = """
import json, sys, tempfile, threading
from pathlib import Path

import numpy as np

from recsys_spark.training.feed import EpochOrder, dataset
from recsys_spark.training.rows import TrainingRows, gathered


def own_bytes():
    # without the pages of memory-mapped files, which the system takes back when it likes
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def chunks(n):
    for start in range(0, n, 100_000):
        number = np.arange(start, start + 100_000)
        some = number.astype(np.int32)
        yield TrainingRows(some, some, some.astype(np.float32), (number % 3).astype(np.uint8))


def peak_of_an_epoch(n, scratch):
    rows = gathered(chunks(n), n, scratch=scratch)
    peak, done = [0], threading.Event()

    def watch():
        while not done.wait(0.002):
            peak[0] = max(peak[0], own_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    held_in = rows.select("train", "validation") if scratch else rows
    seen = 0
    for pairs, _ in dataset(held_in, lambda r: r, batch_size=8192, order=EpochOrder(1), block_rows=250_000):
        seen += len(pairs["user"])
    done.set()
    watcher.join()
    assert seen == len(held_in)
    return peak[0]


with tempfile.TemporaryDirectory() as scratch:
    place = Path(scratch) if sys.argv[1] == "disk" else None
    print(json.dumps([peak_of_an_epoch(int(n), place) for n in sys.argv[2:]]))
"""


def peaks(place: str) -> list[int]:
    """The most memory that one process holds in an epoch of few rows, then in one of many."""
    if not Path("/proc/self/status").exists():
        pytest.skip("this system does not tell a process's own memory in /proc/self/status")
    command = [sys.executable, "-c", PROGRAM, place, str(FEW), str(MANY)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True)
    few, many = json.loads(done.stdout)
    return [few, many]


def test_peak_memory_does_not_grow_with_the_rows_on_disk() -> None:
    few, many = peaks("disk")
    assert many - few < 30 * MIB, "less than 8 bytes for each row more"


def test_in_memory_it_does_so_the_measure_is_able_to_see_it() -> None:
    few, many = peaks("memory")
    assert many - few > 60 * MIB, "16 bytes and more for each row more"
