"""What reaches the workers: the same values, once, from a file that they share."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark import SparkFiles
from pyspark.sql import SparkSession

from recsys_spark.scoring.mapped import ALIGNMENT
from recsys_spark.scoring.shipping import LEAST_IN_A_FILE, Tally, shipped
from tests.conftest import PROJECT
from tests.end_to_end.runs import remove_cluster_folders
from tests.scoring.on_master import N_ITEMS, N_USERS, is_mapped, plan_of

LARGE = np.arange(LEAST_IN_A_FILE // 4, dtype=np.int32)
LOCAL, CLUSTER = "local[2]", "local-cluster[2,1,1024]"


def in_workers(spark: SparkSession, look: Callable[[], Any], tasks: int = 4) -> list[Any]:
    """What a function gives in each of some tasks."""

    def batches(rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _ in rows:
            yield pa.RecordBatch.from_pydict({"found": [json.dumps(look())]})

    return [
        json.loads(row["found"])
        for row in spark.range(0, tasks, 1, tasks).mapInArrow(batches, "found string").collect()
    ]


def shipped_files() -> list[Path]:
    return sorted(Path(SparkFiles.getRootDirectory()).glob("shipped-*"))


def test_a_large_value_arrives_as_views_of_a_file(spark: SparkSession) -> None:
    fetch = shipped(spark, {"numbers": LARGE, "odd": np.arange(3, dtype=np.int8), "ids": pa.array(["a", None, "c"])})

    def look() -> list[Any]:
        numbers, odd = fetch()["numbers"], fetch()["odd"]
        begins = [array.ctypes.data % ALIGNMENT for array in (numbers, odd)]
        return [
            is_mapped(numbers),
            numbers.flags.writeable,
            bool((numbers == LARGE).all()),
            begins,
            fetch()["ids"].to_pylist(),
        ]

    assert in_workers(spark, look) == [[True, False, True, [0, 0], ["a", None, "c"]]] * 4


def test_the_driver_gets_the_same_value(spark: SparkSession) -> None:
    for value in (LARGE, LARGE[:10]):
        np.testing.assert_array_equal(shipped(spark, value)(), value)


def test_a_small_value_needs_no_file(spark: SparkSession) -> None:
    before = shipped_files()

    fetch = shipped(spark, LARGE[:-1])

    assert in_workers(spark, lambda: int(fetch().sum()), tasks=1) == [int(LARGE[:-1].sum())]
    assert shipped_files() == before


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's account of memory")
def test_a_worker_that_reads_every_number_needs_no_memory_of_its_own(spark: SparkSession) -> None:
    fetch = shipped(spark, np.ones(1 << 24, np.float32))

    def own_memory() -> int:
        """Bytes."""
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon"))

    def look() -> list[float]:
        before = own_memory()
        return [float(fetch().sum()), own_memory() - before]

    for total, grown in in_workers(spark, look, tasks=2):
        assert total == 1 << 24
        assert grown < 1 << 24  # a quarter of the array's bytes


class Coded:
    """Caches something expensive in itself, as a scoring plan does."""

    def __init__(self, numbers: np.ndarray) -> None:
        self.numbers = numbers

    @functools.cached_property
    def name(self) -> str:
        return uuid.uuid4().hex


@pytest.mark.parametrize("numbers", [LARGE, LARGE[:10]], ids=["large", "small"])
def test_a_worker_keeps_what_a_value_has_cached_from_task_to_task(spark: SparkSession, numbers: np.ndarray) -> None:
    fetch = shipped(spark, Coded(numbers))

    def look() -> list[Any]:
        return [os.getpid(), fetch().name]

    found = [tuple(made) for _ in range(2) for made in in_workers(spark, look)]
    workers = {worker for worker, _ in found}
    assert len(workers) < len(found)
    assert len(set(found)) == len(workers)


def test_what_tasks_count_reaches_the_driver(spark: SparkSession) -> None:
    tally = Tally.start(spark)

    def look() -> None:
        tally.add(users=2, decided=30, scored=7)

    in_workers(spark, look, tasks=3)

    assert (tally.users.value, tally.decided.value, tally.scored.value) == (6, 90, 21)


def on_master(master: str, folder: Path) -> dict[str, Any]:
    """The report of `on_master.py`, started without OMP_NUM_THREADS."""
    environment = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "PYSPARK_SUBMIT_ARGS")}
    command = [sys.executable, str(PROJECT / "tests" / "scoring" / "on_master.py"), master, str(folder)]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    finally:
        if master == CLUSTER:
            remove_cluster_folders()
    assert done.returncode == 0, done.stderr[-3000:]
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


@pytest.fixture(scope="module", params=[LOCAL, pytest.param(CLUSTER, marks=[pytest.mark.cluster, pytest.mark.slow])])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of a session on this master."""
    return on_master(request.param, tmp_path_factory.mktemp("session"))


def test_on_any_master_workers_read_the_values_from_a_mapped_file(report: dict[str, Any]) -> None:
    assert len(report["workers"]) == 8
    for facts in report["workers"]:
        assert (facts["mapped"], facts["read_only"], facts["same"]) == (True, True, True)


def test_on_any_master_a_worker_uses_one_thread_for_its_arithmetic(report: dict[str, Any]) -> None:
    assert {facts["openmp_threads"] for facts in report["workers"]} == {"1"}


def test_on_any_master_nothing_is_left_when_the_session_has_stopped(report: dict[str, Any]) -> None:
    assert report["left"] == []


def test_on_any_master_the_lists_are_those_of_a_sort(report: dict[str, Any]) -> None:
    plan = plan_of()
    scores = np.stack(
        [plan.scorer.score(np.full(N_ITEMS, u, np.int32), plan.candidates) for u in range(0, N_USERS, 97)]
    )
    of_user = np.arange(0, N_USERS, 97)
    scores[np.arange(len(of_user)), of_user % N_ITEMS] = -np.inf
    best = np.argsort(-scores, axis=1, kind="stable")[:, :3]

    assert report["users"] == N_USERS
    np.testing.assert_array_equal(np.array(report["items"]).reshape(N_USERS, 3)[of_user], best)
