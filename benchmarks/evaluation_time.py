"""How long ranking evaluation takes, relative to scoring the same pairs.

    ./.venv/bin/python benchmarks/evaluation_time.py [--ratings 20000000] [--rank 64] [--rounds 3] [--out FILE]

Ratings are generated in MovieLens 20M's shape (138,493 x 26,744, see `generated_ratings.py`), a fifth of each user's is
held out. Factors of Spark's ALS, two iterations, score. In turns, in one session on `local[*]`:

- scoring: `stage_lists` as the nightly job calls it, ten items for every user, to Parquet;
- evaluation: the lists of every user with held-out ratings and all ranking figures at k = 10 with their intervals and
  segments, as the stage `evaluate` makes them, of the model and of popularity, which is ranked like a model;
- the same for the model alone.

The first round is not counted; medians of the others. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from benchmarks.generated_ratings import Generated, generate
from benchmarks.kernels import cpu_name
from benchmarks.scoring_job import fitted_als, plan_of, scorer_of, session, staging, users_of
from benchmarks.turns import tell
from recsys_spark.evaluation.ranking import RankingPlan, rank_users, whole_files
from recsys_spark.evaluation.ranking_figures import RankingFigures
from recsys_spark.kernels.scorer import PairScorer

K, RELEVANT_AT = 10, 4.0
HELD_OUT = 0.2
RESAMPLES = 200


def main() -> None:
    """Measure both in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratings", type=int, default=20_000_000)
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    generated = generate(given.ratings, seed=0)
    with tempfile.TemporaryDirectory() as scratch:
        folder, spark = Path(scratch), session()
        found = measured(spark, generated, folder, given.rank, given.rounds)
        spark.stop()
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found))


def measured(spark: SparkSession, generated: Generated, folder: Path, rank: int, rounds: int) -> dict[str, Any]:
    """Seconds of each, and how they compare."""
    users = users_of(spark, generated, folder)
    scorer = scorer_of(fitted_als(spark, generated, folder, rank), generated)
    ratings, plan = training_set(spark, generated, folder), plan_of(scorer, generated)
    popularity = counts_of(generated, plan_of(scorer, generated).scorer)
    contenders: dict[str, Callable[[], object]] = {
        "scoring": lambda: staging(users, plan)(folder / "lists"),
        "evaluation": lambda: evaluated(ratings, {"main": scorer, "popularity": popularity}, popularity, folder),
        "evaluation of the model alone": lambda: evaluated(ratings, {"main": scorer}, popularity, folder),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for round_ in range(1 + rounds):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
            tell(f"round {round_}: {name} {seconds[name][-1]:.2f} s")
    median = {name: statistics.median(values[1:] or values) for name, values in seconds.items()}
    ratios = {name: median[name] / median["scoring"] for name in median if name != "scoring"}
    shape = {"users": scorer.n_users, "items": scorer.n_items, "ratings": len(generated.user), "k": rank}
    return {"seconds": median, "ratios": ratios, **shape, "cores": os.cpu_count(), "cpu": cpu_name()}


def training_set(spark: SparkSession, generated: Generated, folder: Path) -> DataFrame:
    """The ratings as ingest stores them: in order, a file has all rows of its users."""
    part = np.where(np.random.default_rng(1).random(len(generated.user)) < HELD_OUT, "test", "train")
    place = folder / "training_set"
    place.mkdir()
    n_users, files = int(generated.user.max()) + 1, 2 * (os.cpu_count() or 1)
    ends = np.searchsorted(generated.user, np.linspace(0, n_users, files + 1).astype(int))
    for number, (start, end) in enumerate(pairwise(ends)):
        columns = {"user": generated.user, "item": generated.item, "rating": generated.rating}
        table = pa.table({name: column[start:end] for name, column in columns.items()})
        table = table.append_column("part", pa.array(part[start:end]))
        pq.write_table(table, place / f"part-{number:05}.parquet")
    return spark.read.parquet(str(place))


def counts_of(generated: Generated, scorer: PairScorer) -> PairScorer:
    """How many ratings each user and item has, as a scorer."""
    user, item = np.bincount(generated.user, minlength=scorer.n_users), np.bincount(generated.item)
    nothing = (np.zeros((scorer.n_users, 0), np.float32), np.zeros((scorer.n_items, 0), np.float32))
    return PairScorer(*nothing, user_bias=user.astype(np.float32), item_bias=item.astype(np.float32))


def evaluated(ratings: DataFrame, scorers: dict[str, PairScorer], popularity: PairScorer, folder: Path) -> object:
    """All figures of the held-out part."""
    assert popularity.item_bias is not None
    assert popularity.user_bias is not None
    plan = RankingPlan(
        scorers=scorers,
        candidates=np.flatnonzero(popularity.item_bias > 0).astype(np.int32),
        item_counts=popularity.item_bias,
        known_users=popularity.user_bias > 0,
        relevant_at=RELEVANT_AT,
        cutoffs=(K,),
    )
    place = str(folder / "ranked")
    with whole_files(ratings.sparkSession):
        rank_users(ratings, plan, held_out="test", fitted=("train",)).write.mode("overwrite").parquet(place)
    ranked = ratings.sparkSession.read.parquet(place)
    return RankingFigures(ranked, "test", (K,), len(plan.candidates), resamples=RESAMPLES).all()


if __name__ == "__main__":
    main()
