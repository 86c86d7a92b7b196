"""What the tables of an output say of the run that is visible."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from recsys_spark.evaluation.rating import Metric
from recsys_spark.evaluation.rows import metric_rows
from recsys_spark.publishing.last_run import LastRun
from recsys_spark.publishing.rows import outcome_rows, top_n_rows
from recsys_spark.publishing.sink import Sink
from recsys_spark.publishing.sinks import SINKS
from recsys_spark.run import Run
from recsys_spark.schemas import METRICS, TOP_N, USER_OUTCOMES, PinnedIds
from recsys_spark.storage import Folder

IDS = PinnedIds(user="string", item="long")
LISTS = (
    "user_id string, variant string, outcome string, reason string, item_ids array<bigint>, item_indices array<int>, "
    "scores array<float>, score_stds array<float>, "
    "predicted_ratings array<float>"
)


def publish(spark: SparkSession, sink: Sink, run_id: str, *users: str, mse: float) -> None:
    run = Run(Folder("."), date(2024, 2, 29), datetime.now(UTC), run_id)
    rows = [(user, None, "ok", "model", [1], [0], [4.0], [None], [None]) for user in users]
    lists = spark.createDataFrame(rows, LISTS).coalesce(1)
    metrics = [
        Metric("main", "test", "mse", mse),
        Metric("main", "test", "mse", mse + 1, segment="rating=5"),
        Metric("main", "test", "mse", mse + 2, epoch=1),
        Metric("main", "train", "mse", mse + 3),
        Metric("mean", "test", "mse", mse + 4),
        Metric("main", "test", "ndcg@5", mse / 2),
        Metric("main", "test", "ndcg@10", mse / 4),
    ]
    kinds = {"strategy": "random", "protocol": "full"}
    sink.append(METRICS, metric_rows(spark, metrics, ids=IDS, run_id=run_id, model_id="dot-1", **kinds))
    sink.add_run(USER_OUTCOMES, outcome_rows(lists, run), run_id=run_id, keep=7)
    sink.publish(TOP_N, top_n_rows(lists, run, "dot-1", run.started_at))


@pytest.mark.parametrize("kind", ["delta", "parquet"])
def test_the_last_run_is_the_one_that_is_visible_with_its_own_users_and_errors(
    spark: SparkSession, tmp_path: Path, kind: str
) -> None:
    def sink(run_id: str) -> Sink:
        return SINKS[kind](spark, Folder(str(tmp_path)), IDS, run_id)

    assert LastRun.of(sink("run-1")) is None
    publish(spark, sink("run-1"), "run-1", "ann", "bob", mse=0.5)
    publish(spark, sink("run-2"), "run-2", "bob", "cid", mse=0.75)

    last = LastRun.of(sink("run-3"))

    assert last is not None
    assert last.run_id == "run-2"
    assert {row["user_id"] for row in last.outcomes.collect()} == {"bob", "cid"}
    assert {row["user_id"] for row in last.top_n.collect()} == {"bob", "cid"}
    assert last.test_figure("mse", scorer="main", strategy="random", protocol="full") == 0.75
    assert last.test_figure("ndcg@10", scorer="main", strategy="random", protocol="full") == 0.75 / 4
    assert last.test_figure("ndcg@7", scorer="main", strategy="random", protocol="full") is None
    assert last.test_figure("mse", scorer="main", strategy="temporal", protocol="full") is None
