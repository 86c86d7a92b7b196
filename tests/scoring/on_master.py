"""A session of its own that ships a plan and stages lists; what its workers saw is the last line, as JSON.

python tests/scoring/on_master.py MASTER FOLDER
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import SparkFiles

from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.schemas import PinnedIds
from recsys_spark.scoring.all_pairs import ScoringPlan
from recsys_spark.scoring.shipping import shipped
from recsys_spark.scoring.staging import stage_lists
from recsys_spark.session import build_session
from recsys_spark.storage import Folder

N_USERS, N_ITEMS, BLOCKS = 20_000, 300, 4


def main(master: str, folder: Path) -> None:
    """Report what reached the workers, which lists were made, and what is left afterwards."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYSPARK_SUBMIT_ARGS"] = (
        f"--master {master} --conf spark.ui.enabled=false --conf spark.ui.showConsoleProgress=false pyspark-shell"
    )
    spark = build_session("shipping", delta=False)
    plan, fetch_root = plan_of(), Path(SparkFiles.getRootDirectory())
    fetch = shipped(spark, plan)
    expected = float(plan.scorer.user.sum())

    def look(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _ in batches:
            found = fetch()
            facts = {
                "mapped": is_mapped(found.scorer.user),
                "read_only": not found.scorer.user.flags.writeable,
                "same": float(found.scorer.user.sum()) == expected and found.item_ids.equals(plan_of().item_ids),
                "openmp_threads": os.environ.get("OMP_NUM_THREADS"),
            }
            yield pa.RecordBatch.from_pydict({"facts": [json.dumps(facts)]})

    seen_by_workers = spark.range(0, 8, 1, 8).mapInArrow(look, "facts string").collect()
    users = spark.read.parquet(str(stored_users(folder / "seen")))
    said: list[str] = []
    target, ids = Folder(str(folder / "lists")), PinnedIds(user="long", item="long")
    work = stage_lists(users, plan, ids, target, n_users=N_USERS, blocks=BLOCKS, say=said.append)
    spark.stop()
    lists = pq.read_table(folder / "lists").sort_by("user_index")
    report: dict[str, Any] = {
        "workers": [json.loads(row["facts"]) for row in seen_by_workers],
        "users": work.users,
        "items": np.asarray(lists["item_indices"].combine_chunks().flatten()).tolist(),
        "left": [str(path) for path in fetch_root.glob("shipped-*")],
    }
    print(json.dumps(report))


def plan_of() -> ScoringPlan:
    """More than fits a broadcast: 1.3 MB."""
    rng = np.random.default_rng(3)
    user, item = (rng.normal(size=(n, 16)).astype(np.float32) for n in (N_USERS, N_ITEMS))
    return ScoringPlan(
        scorer=PairScorer(user, item),
        fallback=PairScorer(user, item),
        has_vector=np.ones(N_USERS, np.bool_),
        candidates=np.arange(N_ITEMS, dtype=np.int32),
        item_ids=pa.array(np.arange(N_ITEMS) + 1000),
        top_n=3,
    )


def stored_users(folder: Path) -> Path:
    """Everybody has seen the item of their own number, modulo."""
    folder.mkdir()
    for block, indices in enumerate(np.array_split(np.arange(N_USERS), BLOCKS)):
        seen = pa.array([[index % N_ITEMS] for index in indices.tolist()], pa.list_(pa.int32()))
        columns = {"user_id": pa.array(indices), "user_index": pa.array(indices, pa.int32()), "seen": seen}
        pq.write_table(pa.table(columns), folder / f"block-{block}.parquet")
    return folder


def is_mapped(array: np.ndarray) -> bool:
    """Whether an array lies in a mapped file."""
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    return isinstance(owner, memoryview) and type(owner.obj).__name__ == "mmap"


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
