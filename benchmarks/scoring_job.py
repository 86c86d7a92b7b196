"""The scoring job beside its peers on Spark: from a model to a staged table of the ten best items of every user.

    ./.venv/bin/python benchmarks/scoring_job.py [--ratings 20000000] [--rank 64] [--rounds 3] [--deep] [--out FILE]
    ./.venv/bin/python benchmarks/scoring_job.py --users 400000 --items 100000 --rounds 0 [--out FILE]

Ratings are generated in MovieLens 20M's shape (138,493 x 26,744, see `generated_ratings.py`) or in another one. Spark's
ALS is fitted on them, two iterations, and everybody scores with its factors, in one session on `local[*]`, in turns, to
Parquet:

- ours: `stage_lists` as the nightly job calls it, with the 20 M seen items left out; again with nothing left out;
- Spark: `recommendForAllUsers`, which leaves nothing out;
- implicit's top-k in a plain `mapInArrow`, with the seen items left out (the extra `bench` installs it).

With `--deep` a network of one hidden layer of 1,024 units scores as well (with `--only-deep` nothing else): ours all
pairs, pyspark's `predict_batch_udf` with the Keras network the pairs of 40 and of 400 users, extrapolated from what the
360 users between them take, so without what starting it costs.

The first round of each is cold: it starts Python workers and compiles; with `--rounds 0` it is the only one. Audit and
publishing are not part of it. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))

import numpy as np  # noqa: E402 - found beside this file
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from pyspark.sql import DataFrame, SparkSession  # noqa: E402
from pyspark.sql import functions as F  # noqa: E402

from benchmarks.generated_ratings import Generated, generate  # noqa: E402
from recsys_spark.evaluation.baselines import fit_baselines  # noqa: E402
from recsys_spark.ingest.tables import users_in_a_block  # noqa: E402
from recsys_spark.kernels.scorer import DenseLayer, PairScorer  # noqa: E402
from recsys_spark.schemas import PinnedIds  # noqa: E402
from recsys_spark.scoring.all_pairs import ScoringPlan  # noqa: E402
from recsys_spark.scoring.staging import stage_lists  # noqa: E402
from recsys_spark.session import build_session  # noqa: E402
from recsys_spark.storage import Folder  # noqa: E402

TOP_N = 10
UDF_USERS = (40, 400)
"""How many users' pairs `predict_batch_udf` scores: two sizes, so that what starting it costs can be taken out."""


def main() -> None:
    """Measure all contenders in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratings", type=int, default=20_000_000)
    parser.add_argument("--users", type=int, help="in proportion to the ratings if not given")
    parser.add_argument("--items", type=int, help="likewise, to their square root")
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--deep", action="store_true")
    parser.add_argument("--only-deep", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    generated = generate(given.ratings, seed=0, n_users=given.users, n_items=given.items)
    with tempfile.TemporaryDirectory() as scratch:
        folder, spark = Path(scratch), session()
        users = users_of(spark, generated, folder)
        found: dict[str, Any] = {}
        if not given.only_deep:
            found = dots(spark, users, generated, folder, given.rank, given.rounds)
        if given.deep or given.only_deep:
            found["deep"] = deep(spark, users, generated, folder, given.rounds)
        spark.stop()
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found))


def dots(
    spark: SparkSession, users: DataFrame, generated: Generated, folder: Path, rank: int, rounds: int
) -> dict[str, Any]:
    """Everybody with the factors of ALS."""
    als = fitted_als(spark, generated, folder, rank)
    scorer = scorer_of(als, generated)
    plan = plan_of(scorer, generated)
    contenders = {
        "ours": staging(users, plan),
        "ours, nothing left out": staging(users, replace(plan, exclude_seen=False)),
        "Spark ALS, nothing left out": writing(lambda: als.recommendForAllUsers(TOP_N)),
        "implicit in mapInArrow": writing(lambda: by_implicit(users, scorer)),
    }
    sizes = {"pairs": scorer.n_users * scorer.n_items, "users": scorer.n_users, "items": scorer.n_items, "k": rank}
    return in_turns(contenders, folder, rounds) | sizes | {"n": TOP_N, "cores": os.cpu_count()}


IDS = PinnedIds(user="long", item="long")

Contender = Callable[[Path], object]
"""Writes its lists into a folder."""


def staging(users: DataFrame, plan: ScoringPlan) -> Contender:
    """Ours, as the stage `score` of the nightly job calls it."""

    def run(target: Path) -> object:
        sizes = {"n_users": len(plan.has_vector), "blocks": len(users.inputFiles())}
        return stage_lists(users, plan, IDS, Folder(str(target)), **sizes, say=lambda _: None)

    return run


def writing(made: Callable[[], DataFrame]) -> Contender:
    """A peer's frame, written as Parquet."""

    def run(target: Path) -> None:
        made().write.mode("overwrite").parquet(str(target))

    return run


def session() -> SparkSession:
    """A local session with all cores, quiet."""
    logging = f"-Dlog4j2.configurationFile=file:{PROJECT}/conf/log4j2.properties"
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYSPARK_SUBMIT_ARGS"] = (
        "--master local[*] --driver-memory 6g --conf spark.ui.enabled=false "
        "--conf spark.ui.showConsoleProgress=false "
        f"--conf spark.driver.extraJavaOptions={logging} pyspark-shell"
    )
    return build_session("scoring job", delta=False)


def users_of(spark: SparkSession, generated: Generated, folder: Path) -> DataFrame:
    """The users with their seen lists, as ingest stores them."""
    n_users = int(generated.user.max()) + 1
    offsets = np.searchsorted(generated.user, np.arange(n_users + 1))
    (folder / "seen").mkdir()
    in_block = users_in_a_block(int(generated.item.max()) + 1)
    for number, first in enumerate(range(0, n_users, in_block)):
        part = np.arange(first, min(first + in_block, n_users), dtype=np.int32)
        begin, end = offsets[part[0]], offsets[part[-1] + 1]
        starts = pa.array((offsets[part[0] : part[-1] + 2] - begin).astype(np.int32))
        seen = pa.ListArray.from_arrays(starts, pa.array(generated.item[begin:end]))
        table = pa.table({"user_id": pa.array(part, pa.int64()), "user_index": part, "seen": seen})
        pq.write_table(table, folder / "seen" / f"part-{number}.parquet")
    return spark.read.parquet(str(folder / "seen"))


def fitted_als(spark: SparkSession, generated: Generated, folder: Path, rank: int) -> Any:
    """Spark's ALS on the ratings, two iterations."""
    from pyspark.ml.recommendation import ALS

    table = pa.table({"user": generated.user, "item": generated.item, "rating": generated.rating})
    pq.write_table(table, folder / "ratings.parquet", row_group_size=1 << 20)
    ratings = spark.read.parquet(str(folder / "ratings.parquet"))
    als = ALS(rank=rank, maxIter=2, regParam=0.1, seed=0)
    return als.fit(ratings)


def scorer_of(als: Any, generated: Generated) -> PairScorer:
    """The factors as arrays."""

    def factors(table: DataFrame, n: int) -> np.ndarray:
        rows = table.toPandas()
        found = np.zeros((n, len(rows.features[0])), np.float32)
        found[rows.id.to_numpy()] = np.stack(rows.features.to_numpy())
        return found

    n_users, n_items = int(generated.user.max()) + 1, int(generated.item.max()) + 1
    return PairScorer(factors(als.userFactors, n_users), factors(als.itemFactors, n_items))


def plan_of(scorer: PairScorer, generated: Generated) -> ScoringPlan:
    """What the nightly job would ship."""
    sizes = {"n_users": scorer.n_users, "n_items": scorer.n_items}
    baselines = fit_baselines(generated.user, generated.item, generated.rating, damping=5, **sizes)
    return ScoringPlan(
        scorer=scorer,
        fallback=baselines["item_mean"],
        has_vector=np.ones(scorer.n_users, np.bool_),
        candidates=np.arange(scorer.n_items, dtype=np.int32),
        item_ids=pa.array(np.arange(scorer.n_items)),
        top_n=TOP_N,
    )


def by_implicit(users: DataFrame, scorer: PairScorer) -> DataFrame:
    """implicit's top-k for each Arrow batch."""
    factors = users.sparkSession.sparkContext.broadcast((scorer.user, scorer.item))

    def block(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from implicit.cpu.topk import topk
        from scipy.sparse import csr_matrix

        user, item = factors.value
        for batch in batches:
            index, seen = batch.column("user_index").to_numpy(), batch.column("seen")
            offsets = np.concatenate([[0], np.cumsum(seen.value_lengths().to_numpy())])
            items = seen.flatten().to_numpy()
            filled = csr_matrix((np.ones(len(items), np.float32), items, offsets), (len(index), len(item)))
            found, scores = topk(item, user[index], TOP_N, filter_query_items=filled, num_threads=1)
            starts = pa.array(np.arange(len(index) + 1, dtype=np.int32) * TOP_N)
            columns = [
                batch.column("user_id"),
                pa.ListArray.from_arrays(starts, pa.array(found.reshape(-1).astype(np.int32))),
                pa.ListArray.from_arrays(starts, pa.array(scores.reshape(-1).astype(np.float32))),
            ]
            yield pa.RecordBatch.from_arrays(columns, names=["user_id", "items", "scores"])

    return users.mapInArrow(block, "user_id long, items array<int>, scores array<float>")


def in_turns(contenders: dict[str, Contender], folder: Path, rounds: int) -> dict[str, Any]:
    """Seconds of each: the first round, and the median of the others."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(1 + rounds):
        for name, run in contenders.items():
            start = time.perf_counter()
            try:
                run(folder / "out")
            except Exception as error:  # a peer that cannot run is told, and the others go on
                print(f"NOT RUN: {name}: {str(error).splitlines()[0][:200]}", file=sys.stderr)
                continue
            seconds[name].append(time.perf_counter() - start)
    found = {n: {"first": s[0], "warm": statistics.median(s[1:] or s)} for n, s in seconds.items() if s}
    for name, both in found.items():
        ratio = both["warm"] / found["ours"]["warm"]
        print(
            f"{name:30} first {both['first']:7.2f} s, warm {both['warm']:7.2f} s, {ratio:6.2f} x ours", file=sys.stderr
        )
    return dict(found)


def deep(spark: SparkSession, users: DataFrame, generated: Generated, folder: Path, rounds: int) -> dict[str, Any]:
    """One hidden layer of 1,024 units: ours for all pairs, `predict_batch_udf` for those of some users."""
    from pyspark.ml.functions import predict_batch_udf
    from pyspark.sql.types import FloatType

    from recsys_spark.models.registry import model_for
    from recsys_spark.models.settings import MlpSettings
    from recsys_spark.models.sides import Sides
    from recsys_spark.training.fit import Trainer
    from recsys_spark.training.rows import TrainingRows
    from recsys_spark.training.settings import TrainingSettings

    n = len(generated.user)
    rows = TrainingRows(generated.user, generated.item, generated.rating, np.zeros(n, np.uint8))
    sides = Sides(int(generated.user.max()) + 1, int(generated.item.max()) + 1)
    sgd = TrainingSettings(
        epochs=1, optimizer="sgd", learning_rate=0.08, momentum=0.9, batch_size=1024, early_stopping=None
    )
    model = model_for(MlpSettings(embedding_size=10, layers=(1024,)))
    fitted = Trainer(model, sgd, lambda _: sides).fit("evaluated", rows, epochs=1)
    scorer = fitted.scorers()["main"]
    assert isinstance(scorer.layers[0], DenseLayer)
    network = str(folder / "network.keras")
    fitted.network.save(network)

    def load() -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        import keras

        loaded = keras.models.load_model(network)

        def predict(user: np.ndarray, item: np.ndarray) -> np.ndarray:
            pairs = {"user": user.astype(np.int32), "item": item.astype(np.int32)}
            return np.asarray(loaded.predict(pairs, batch_size=8192, verbose=0))[:, 0]

        return predict

    udf = predict_batch_udf(load, return_type=FloatType(), batch_size=65_536)
    plan, items = plan_of(scorer, generated), spark.range(scorer.n_items).withColumnRenamed("id", "item")

    def predicted(n_users: int) -> DataFrame:
        pairs = spark.range(n_users).repartition(8).crossJoin(items)
        return pairs.select("id", "item", udf(F.col("id"), F.col("item")).alias("score"))

    few, many = UDF_USERS
    names = [f"predict_batch_udf, {n} users" for n in UDF_USERS]
    contenders = {
        "ours": staging(users, plan),
        names[0]: writing(lambda: predicted(few)),
        names[1]: writing(lambda: predicted(many)),
    }
    found = in_turns(contenders, folder, rounds)
    one_user = (found[names[1]]["warm"] - found[names[0]]["warm"]) / (many - few)
    found["predict_batch_udf, extrapolated"] = one_user * scorer.n_users
    found["ratio"] = found["predict_batch_udf, extrapolated"] / found["ours"]["warm"]
    print(f"predict_batch_udf for all users, extrapolated: {found['ratio']:.0f} x ours", file=sys.stderr)
    return found


if __name__ == "__main__":
    main()
