"""Vocabularies of millions of users on a small driver: seconds, peak memory, and proof that the indices are right.

    ./.venv/bin/python benchmarks/vocabularies.py [--users 5000000]

Two nights with made-up ratings, two for each user, over 100,000 items. The second night brings 10 % new users and
items. The driver may collect 16 MiB in all, far less than the ids take. On `local[...]` the executors live in the
driver's JVM, so its peak holds their sorting, too. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.ingest.encoding import Vocabularies, Vocabulary, encode, extend
from recsys_spark.ingest.reconcile import stored_rows
from recsys_spark.ingest.settings import SplitSettings
from recsys_spark.ingest.splitting import random_split
from recsys_spark.ingest.tables import in_training_order
from recsys_spark.session import build_session
from recsys_spark.storage import Folder

PROJECT = Path(__file__).resolve().parents[1]
ITEMS = 100_000
NEW_SHARE = 0.1
RATINGS_PER_USER = 2

seconds: dict[str, float] = {}


@contextmanager
def timed(step: str) -> Iterator[None]:
    """Note how long a step takes."""
    start = time.perf_counter()
    yield
    seconds[step] = round(time.perf_counter() - start, 1)
    print(f"{step}: {seconds[step]} s", file=sys.stderr)


def start(cores: int) -> SparkSession:
    """A session whose driver is small."""
    logging = f"-Dlog4j2.configurationFile=file:{PROJECT}/conf/log4j2.properties"
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ["PYSPARK_SUBMIT_ARGS"] = (
        f"--master local[{cores}] --driver-memory 2g --conf spark.driver.maxResultSize=16m "
        f"--conf spark.ui.enabled=false --conf spark.driver.extraJavaOptions={logging} pyspark-shell"
    )
    return build_session("benchmark of vocabularies", delta=False)


def made_up_ratings(spark: SparkSession, users: int, items: int) -> DataFrame:
    """As the quality rules leave them: ids as text, users under long names in no order, each item rated."""
    row = spark.range(users * RATINGS_PER_USER)
    user = F.col("id") % users
    item = F.when(F.col("id") < items, F.col("id")).otherwise(F.pmod(F.xxhash64("id"), F.lit(items)))
    return row.select(
        F.concat(F.lit("user-"), F.sha1(user.cast("string"))).alias("user"),
        item.cast("string").alias("item"),
        (F.col("id") % 5 + 1).cast("double").alias("rating"),
        F.lit(None).cast("timestamp").alias("timestamp"),
    )


def extended(ratings: DataFrame, known: Vocabularies, state: Folder, scratch: Folder, night: str) -> Vocabularies:
    """Both vocabularies after a night; items are numbers."""
    spark = ratings.sparkSession
    users, items = ratings.select(F.col("user").alias("id")), ratings.select(F.col("item").cast("long").alias("id"))
    with timed(f"{night}: extend users"):
        by_user = extend(spark, known.users, users, state=state, scratch=scratch, side="user", run_id=night)
    with timed(f"{night}: extend items"):
        by_item = extend(spark, known.items, items, state=state, scratch=scratch, side="item", run_id=night)
    vocabularies = Vocabularies(users=by_user, items=by_item)
    vocabularies.save(state)
    return vocabularies


def check(spark: SparkSession, before: Vocabulary, after: Vocabulary, state: Folder, expected_size: int) -> None:
    """Indices are dense, and every index of the first night has been kept."""
    dense = after.read(spark, state).agg(F.count("*"), F.min("index"), F.max("index"), F.count_distinct("index")).head()
    assert dense is not None
    assert tuple(dense) == (expected_size, 0, expected_size - 1, expected_size), f"not dense: {dense}"
    kept = before.read(spark, state).join(after.read(spark, state), on=["id", "index"], how="inner").count()
    assert kept == before.size, f"{before.size - kept} indices of the first night have changed"


def peak_mib(spark: SparkSession) -> dict[str, int]:
    """The most memory that the JVM and this Python have held (resident)."""
    assert spark._jvm is not None
    jvm = spark._jvm.java.lang.ProcessHandle.current().pid()
    status = Path(f"/proc/{jvm}/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    return {"jvm": peak // 1024, "python": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


def main() -> None:
    """Run both nights and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--users", type=int, default=5_000_000, help="of the first night (default: %(default)s)")
    parser.add_argument("--cores", type=int, default=2, help="that Spark may use (default: %(default)s)")
    options = parser.parse_args()
    sizes = [(options.users, ITEMS), (round(options.users * (1 + NEW_SHARE)), round(ITEMS * (1 + NEW_SHARE)))]
    with tempfile.TemporaryDirectory() as place:
        spark = start(options.cores)
        folder, state = Folder(place), Folder(place) / "state"
        known = Vocabularies(users=Vocabulary("string"), items=Vocabulary("long"))
        nights = []
        for number, (users, items) in enumerate(sizes, start=1):
            with timed(f"night {number}: make up ratings"):
                made_up_ratings(spark, users, items).write.parquet(str(folder / f"source-{number}"))
            ratings = spark.read.parquet(str(folder / f"source-{number}"))
            known = extended(ratings, known, state, folder / "scratch", f"night {number}")
            nights.append(known)
        with timed("check"):
            check(spark, nights[0].users, nights[1].users, state, sizes[1][0])
            check(spark, nights[0].items, nights[1].items, state, sizes[1][1])
        with timed("encode, split and store in training order"):
            encoded = encode(ratings, known.users.read(spark, state), known.items.read(spark, state))
            stored = folder / "ratings"
            in_training_order(random_split(encoded, SplitSettings())).write.parquet(str(stored))
        rows = stored_rows(stored)
        assert rows == sizes[1][0] * RATINGS_PER_USER, f"{rows} ratings encoded"
        figures = {"users": known.users.size, "items": known.items.size, "ratings": rows}
        print(json.dumps({**figures, "seconds": seconds, "peak_mib": peak_mib(spark)}))
        spark.stop()


if __name__ == "__main__":
    main()
