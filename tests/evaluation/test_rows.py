"""Metrics as rows keep all that was measured; the summary keeps the overall figures."""

from __future__ import annotations

from pyspark.sql import SparkSession

from recsys_spark.evaluation.rating import Metric
from recsys_spark.evaluation.rows import metric_rows, nested, stored_metrics
from recsys_spark.schemas import PinnedIds

METRICS = [
    Metric("main", "test", "mse", 0.9, low=0.8, high=1.0),
    Metric("main", "test", "n", 10.0),
    Metric("main", "test", "mse", 7.0, segment="rating=4"),
    Metric("main", "validation", "mse", 0.7),
    Metric("main", "validation", "mse", 5.0, epoch=1),
    Metric("mean", "test", "mse", 1.5, low=1.4, high=1.6),
    Metric("mean", "test", "mse", 8.0, segment="rating=4"),
    Metric("mean", "validation", "mse", 1.2),
]

RANKING = Metric("main", "validation", "ndcg@10", 0.25, segment="kind=a", relevant_at=3.5)


def test_the_summary_has_overall_figures_only_each_a_plain_number() -> None:
    assert nested(METRICS) == {
        "validation": {"mse": 0.7},
        "test": {"mse": 0.9, "n": 10.0, "intervals": {"mse": [0.8, 1.0]}},
        "baseline": {"mean": {"mse": 1.5}},
    }


def test_without_a_test_part_baselines_are_those_on_train() -> None:
    found = nested([Metric("main", "train", "mse", 1.0), Metric("mean", "train", "mse", 2.0)])

    assert found == {"train": {"mse": 1.0}, "baseline": {"mean": {"mse": 2.0}}}


def test_the_table_has_every_metric_with_segment_epoch_and_interval(spark: SparkSession) -> None:
    rows = metric_rows(
        spark,
        [*METRICS, RANKING],
        ids=PinnedIds("long", "long"),
        run_id="r",
        model_id="m",
        strategy="random",
        protocol="full",
    )

    *others, ranking = rows.collect()
    assert [Metric(**{name: row[name] for name in Metric._fields}) for row in others] == METRICS
    assert {(r.run_id, r.model_id, r.strategy, r.protocol, r.k) for r in others} == {("r", "m", "random", "full", None)}
    assert (ranking.metric, ranking.k, ranking.relevant_at, ranking.segment) == ("ndcg", 10, 3.5, "kind=a")
    assert stored_metrics(rows, "m") == [*METRICS, RANKING]
    # a table of a version that did not rank
    assert stored_metrics(rows.drop("relevant_at").where("k IS NULL"), "m") == METRICS
