"""A session of Spark Connect that ships values and stages lists; what its workers saw is the last line, as JSON.

SPARK_REMOTE=sc://host:port python tests/scoring/over_connect.py FOLDER
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from recsys_spark.connect import is_connect, refuse_what_needs_a_jvm
from recsys_spark.errors import ConfigErrors
from recsys_spark.schemas import PinnedIds
from recsys_spark.scoring.mapped import ALIGNMENT
from recsys_spark.scoring.shipping import shipped
from recsys_spark.scoring.staging import stage_lists
from recsys_spark.scoring.watching import tasks_watched
from recsys_spark.session import build_session, default_parallelism
from recsys_spark.spark_schema import from_arrow
from recsys_spark.storage import Folder
from tests.scoring.on_master import BLOCKS, N_USERS, plan_of, stored_users

SETTINGS = ("spark.sql.session.timeZone", "spark.sql.shuffle.partitions", "spark.sql.codegen.wholeStage")

LARGE = (64 << 20) + 4
"""Bytes: more than Python workers or gRPC's messages take at once by default."""


def main(folder: Path) -> None:
    """Report what reached the workers, which lists were made, and what was said meanwhile."""
    spark = build_session("shipping", delta=False)
    report: dict[str, Any] = {"is_connect": is_connect(spark), "cores": default_parallelism(spark)}
    report["settings"] = {key: spark.conf.get(key) for key in SETTINGS}
    report["empty"] = from_arrow(spark, pa.table({"id": pa.array([], pa.int32())})).dtypes
    report |= {"refused": refused(spark), "workers": shipped_to_workers(spark), "progress": progress(spark)}
    users = spark.read.parquet(str(stored_users(folder / "seen")))
    target, ids = Folder(str(folder / "lists")), PinnedIds(user="long", item="long")
    work = stage_lists(users, plan_of(), ids, target, n_users=N_USERS, blocks=BLOCKS, say=lambda _: None)
    spark.stop()
    lists = pq.read_table(folder / "lists").sort_by("user_index")
    report["users"] = work.users
    report["items"] = np.asarray(lists["item_indices"].combine_chunks().flatten()).tolist()
    print(json.dumps(report))


def shipped_to_workers(spark: SparkSession) -> list[dict[str, Any]]:
    """What tasks of two jobs find."""
    numbers = np.arange(LARGE // 4, dtype=np.int32)
    ids = pa.array(["a", None, "c"])
    large = shipped(spark, {"numbers": numbers, "odd": np.arange(3, dtype=np.int8), "ids": ids})
    small = shipped(spark, {"numbers": numbers[:10]})
    total = int(numbers.sum(dtype=np.int64))
    assert large()["numbers"] is numbers, "the driver keeps its own"
    alignment = ALIGNMENT

    def look() -> dict[str, Any]:
        import recsys_spark

        found, numbers = large(), large()["numbers"]
        file = next(
            Path(line.split()[-1]) for line in Path("/proc/self/maps").read_text().splitlines() if "shipped-" in line
        )
        return {
            "package": recsys_spark.__file__,
            "worker": os.getpid(),
            "read_only": not numbers.flags.writeable,
            "begins": [found[name].ctypes.data % alignment for name in ("numbers", "odd")],
            "same": int(numbers.sum(dtype=np.int64)) == total and found["ids"].to_pylist() == ["a", None, "c"],
            "small": int(small()["numbers"].sum()),
            "file": str(file),
            "inode": file.stat().st_ino,
            # as a plan keeps what it has packed
            "names": [value.setdefault("name", uuid.uuid4().hex) for value in (found, small())],
        }

    return [facts for _ in range(2) for facts in in_workers(spark, look)]


def in_workers(spark: SparkSession, look: Callable[[], Any], tasks: int = 4) -> list[Any]:
    """What a function gives in each of some tasks."""

    def batches(rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _ in rows:
            yield pa.RecordBatch.from_pydict({"found": [json.dumps(look())]})

    return [
        json.loads(r["found"]) for r in spark.range(0, tasks, 1, tasks).mapInArrow(batches, "found string").collect()
    ]


def progress(spark: SparkSession) -> list[str]:
    """What is said of tasks that take a while."""
    said: list[str] = []
    with tasks_watched(spark, said.append, every=0.5):
        in_workers(spark, lambda: time.sleep(3))
    after = len(said)
    in_workers(spark, lambda: time.sleep(1))
    assert len(said) == after, "nothing is said once nobody watches"
    return said


def refused(spark: SparkSession) -> list[list[str]]:
    """What is said of settings that need a JVM."""
    refuse_what_needs_a_jvm(spark, output="/shared/output", serve_url=None)
    try:
        refuse_what_needs_a_jvm(spark, output="s3a://key:canary@bucket/output", serve_url="jdbc:mariadb://canary/db")
    except ConfigErrors as errors:
        return [[problem.subject, str(problem)] for problem in errors.problems]
    return []


if __name__ == "__main__":
    main(Path(sys.argv[1]))
