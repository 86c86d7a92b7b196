"""Peak memory of a Python worker that makes lists, at three numbers of items, beside what it should be.

    ./.venv/bin/python benchmarks/memory.py [--items 26744 270000 2300000] [--users 2048] [--out docs/memory.json]

Real Spark with one core, so that there is one worker; vectors of random numbers, dot products of 64 columns and one
hidden layer of 1,024 units over 10 + 10 columns; users with 100 seen items each, ten entries a list. A worker is new
for each size. Its peak (`VmHWM`, which counts the pages of the mapped file that it has read) is asked for by a second
query that runs in the same worker. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))
# of the workers
os.environ |= {"PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(PROJECT)}

import numpy as np  # noqa: E402 - found beside this file
import pyarrow as pa  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402

from recsys_spark.kernels.arrays import F32  # noqa: E402
from recsys_spark.kernels.scorer import DenseLayer, PairScorer  # noqa: E402
from recsys_spark.schemas import PinnedIds  # noqa: E402
from recsys_spark.scoring.all_pairs import ScoringPlan, score_all_pairs  # noqa: E402
from recsys_spark.session import SETTINGS  # noqa: E402

TOP_N, SEEN = 10, 100
SCORERS = ("dot 64", "layer 1024")

WORKER, BESIDE_CODES, SEEN_BITS, SORTING = 285e6, 37, 10, 24
"""Bytes: of a worker that has imported numpy, numba and pyarrow and has the kernels; and of each item, besides its
codes, for the bits of 80 users, and once, while items are put in order."""


def main() -> None:
    """Measure every size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[26_744, 270_000, 2_300_000])
    parser.add_argument("--users", type=int, default=2048)
    parser.add_argument("--scorers", nargs="+", default=SCORERS)
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    given = parser.parse_args()
    found = []
    for name in given.scorers:
        for n_items in given.items:
            found.append(measured(name, n_items, given.users))
            print(
                "{scorer}: {items:,} items, {users:,} users: peak {peak_mb:,.0f} MB, expected {expected_mb:,.0f} MB, "
                "{seconds:.1f} s".format(**found[-1]),
                file=sys.stderr,
            )
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found))


def measured(name: str, n_items: int, n_users: int) -> dict[str, Any]:
    """One scorer at one size, in a session of its own."""
    scorer = random_scorer(name, n_users, n_items)
    builder = SparkSession.builder.appName("memory").master("local[1]").config(map=SETTINGS)
    spark = builder.config("spark.ui.enabled", "false").config("spark.driver.memory", "2g").getOrCreate()
    try:
        plan = ScoringPlan(
            scorer=scorer,
            fallback=PairScorer(np.empty((n_users, 0), np.float32), np.empty((n_items, 0), np.float32)),
            has_vector=np.ones(n_users, np.bool_),
            candidates=np.arange(n_items, dtype=np.int32),
            item_ids=pa.array(np.arange(n_items)),
            top_n=TOP_N,
        )
        lists = score_all_pairs(users(spark, n_users, n_items), plan, PinnedIds("long", "long"))
        start = time.perf_counter()
        lists.write.format("noop").mode("overwrite").save()
        seconds = time.perf_counter() - start
        peak = spark.range(1).coalesce(1).mapInArrow(_peak, "bytes long").collect()[0]["bytes"]
    finally:
        spark.stop()
    return {
        "scorer": name,
        "items": n_items,
        "users": n_users,
        "seconds": seconds,
        "peak_mb": peak / 1e6,
        "expected_mb": expected_bytes(scorer, n_users) / 1e6,
    }


def expected_bytes(scorer: PairScorer, n_users: int) -> float:
    """A worker's peak by the formula of docs/scale.md."""
    item_bytes = BESIDE_CODES + SEEN_BITS + SORTING
    codes = scorer.n_items * scorer.item.shape[1]
    if not scorer.is_dot:
        h = len(scorer.layers[0].bias)
        in_parts = scorer.n_items * h > 1 << 27
        # the halves of the users of a call, padded as well, and their codes
        codes = min(scorer.n_items * h, 1 << 27) + min(8192 if in_parts else 1024, n_users) * 9 * h
    return WORKER + scorer.nbytes + codes + scorer.n_items * item_bytes


def random_scorer(name: str, n_users: int, n_items: int) -> PairScorer:
    """Vectors and weights of random numbers."""
    random = np.random.default_rng(0)

    def normal(*shape: int) -> F32:
        return random.standard_normal(shape, dtype=np.float32)

    kind, size = name.split()
    if kind == "dot":
        return PairScorer(normal(n_users, int(size)), normal(n_items, int(size)), normal(n_users), normal(n_items))
    layers = (
        DenseLayer(normal(20, int(size)) / np.float32(20**0.5), normal(int(size)), "relu"),
        DenseLayer(normal(int(size), 1), normal(1), "linear"),
    )
    return PairScorer(normal(n_users, 10), normal(n_items, 10), layers=layers)


def users(spark: SparkSession, n_users: int, n_items: int) -> Any:
    """Users with seen items, as ingest stores them."""
    rows = spark.range(0, n_users, 1, 1).selectExpr("id as user_id", "int(id) as user_index")
    step = max(1, n_items // SEEN)
    seen = f"transform(sequence(0, {SEEN - 1}), i -> int(i * {step} + user_index % {step}))"
    return rows.selectExpr("user_id", "user_index", f"{seen} as seen")


def _peak(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for _ in batches:
        status = Path("/proc/self/status").read_text().splitlines()
        kilobytes = next(line.split()[1] for line in status if line.startswith("VmHWM"))
        yield pa.RecordBatch.from_pydict({"bytes": pa.array([1024 * int(kilobytes)])})


if __name__ == "__main__":
    main()
