"""The scoring job on smaller sizes: what a night's cost is made of, for the model of `docs/scale.md`.

    ./.venv/bin/python benchmarks/job_sizes.py [--ratings 1000000 4000000 8000000] [--rounds 3] [--out FILE]

As `benchmarks/scoring_job.py` does it, only ours, with seen items left out, to Parquet on `local[*]`: generated ratings
in MovieLens 20M's shape, ALS factors of 64 columns. Of each set all or half of the users get lists out of all or half
of the items, ten entries, and on the largest twenty, too, so that what a user, a pair and a row cost can be told
apart. The first round of each is not counted; medians of the others. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.generated_ratings import generate
from benchmarks.kernels import cpu_name
from benchmarks.scoring_job import IDS, fitted_als, plan_of, scorer_of, session, users_of
from benchmarks.turns import tell
from recsys_spark.scoring.all_pairs import ScoringPlan, score_all_pairs

LONG_LIST = 20
"""Entries, beside the ten."""

SHARES = ((1.0, 1.0), (0.5, 1.0), (1.0, 0.5))
"""Of the users and of the items."""


def main() -> None:
    """Measure every size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratings", type=int, nargs="+", default=[1_000_000, 4_000_000, 8_000_000])
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        spark = session()
        for n_ratings in given.ratings:
            folder = Path(scratch) / str(n_ratings)
            folder.mkdir()
            for users, plan, shape in jobs(spark, n_ratings, given.rank, folder, last=n_ratings == given.ratings[-1]):
                runs.append(shape | timed(users, plan, folder, given.rounds))
                told = {key: runs[-1][key] for key in ("users", "items", "n")}
                tell(f"{told}: warm {runs[-1]['warm']:.2f} s")
        spark.stop()
    figures = {"machine": cpu_name(), "cores": os.cpu_count(), "k": given.rank, "runs": runs}
    if given.out:
        given.out.write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures))


def jobs(
    spark: SparkSession, n_ratings: int, rank: int, folder: Path, *, last: bool
) -> Iterator[tuple[DataFrame, ScoringPlan, dict[str, int]]]:
    """Users, plan and sizes of each job on one set of ratings."""
    generated = generate(n_ratings, seed=0)
    tell(f"factors of {n_ratings:,} ratings")
    users = users_of(spark, generated, folder)
    whole = plan_of(scorer_of(fitted_als(spark, generated, folder, rank), generated), generated)
    entries = [(*shares, whole.top_n) for shares in SHARES] + [(1.0, 1.0, LONG_LIST)] * last
    for of_users, of_items, n in entries:
        n_users, n_items = round(whole.scorer.n_users * of_users), round(whole.scorer.n_items * of_items)
        plan = replace(whole, candidates=whole.candidates[:n_items], top_n=n)
        yield users.where(F.col("user_index") < n_users), plan, {"users": n_users, "items": n_items, "n": n}


def timed(users: DataFrame, plan: ScoringPlan, folder: Path, rounds: int) -> dict[str, float]:
    """Seconds of the first round, and the median of the others."""
    seconds = []
    for _ in range(1 + rounds):
        start = time.perf_counter()
        score_all_pairs(users, plan, IDS).write.mode("overwrite").parquet(str(folder / "out"))
        seconds.append(time.perf_counter() - start)
    return {"first": seconds[0], "warm": statistics.median(seconds[1:])}


if __name__ == "__main__":
    main()
