"""Metrics as rows of the table `metrics`, and as the nested mapping of the summary."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.evaluation.rating import DIVERSIFIED, MAIN, Metric
from recsys_spark.schemas import METRICS, PinnedIds
from recsys_spark.spark_schema import from_arrow


def metric_rows(
    spark: SparkSession,
    metrics: Iterable[Metric],
    *,
    ids: PinnedIds,
    run_id: str,
    model_id: str,
    strategy: str,
    protocol: str,
) -> DataFrame:
    """The rows of `metrics` for one run; a few thousand at most, so they are made on the driver."""
    run = {"run_id": run_id, "model_id": model_id, "strategy": strategy, "protocol": protocol}
    rows = pa.Table.from_pylist([run | m._asdict() | _apart(m.metric) for m in metrics], METRICS.arrow(ids))
    return from_arrow(spark, rows)


def stored_metrics(metrics: DataFrame | None, model_id: str) -> list[Metric]:
    """What was measured of a model, as its newest run tells; a few thousand figures at most, collected.

    Args:
        metrics: the table `metrics`; none: there is none yet.
        model_id: of the artefact.
    """
    if metrics is None:
        return []
    of_model = metrics.where(F.col("model_id") == model_id)
    last = of_model.orderBy("run_id", ascending=False).select("run_id").head()
    if last is None:
        return []
    newest = of_model.where(F.col("run_id") == last["run_id"])
    # a table of an earlier version may lack a column
    columns = [name for name in (*Metric._fields, "k") if name in newest.columns]
    return [_together(row.asDict()) for row in newest.select(*columns).collect()]


def nested(metrics: Iterable[Metric]) -> dict[str, Any]:
    """The finished model's figures by part, and each baseline's on the test part (train, if there is no test part).

    Figures of all rows only: neither epochs nor segments. Each is a plain number; where the model's have intervals,
    these lie beside them, `intervals: {mse: [low, high], ...}`. Those of lists that are chosen for variety are
    `diversified`, on the part of the baselines.
    """
    finished = [m for m in metrics if m.epoch is None and m.segment is None]
    parts = {m.split for m in finished}
    compared = "test" if "test" in parts else "train"
    tree: dict[str, Any] = {part: {} for part in ("train", "validation", "test") if part in parts}
    tree["baseline"] = {}
    for m in finished:
        if m.scorer == MAIN:
            tree[m.split][m.metric] = m.value
            if m.low is not None:
                tree[m.split].setdefault("intervals", {})[m.metric] = [m.low, m.high]
        elif m.split == compared and m.scorer == DIVERSIFIED:
            tree.setdefault(DIVERSIFIED, {})[m.metric] = m.value
        elif m.split == compared:
            tree["baseline"].setdefault(m.scorer, {})[m.metric] = m.value
    return tree


def _apart(metric: str) -> dict[str, Any]:
    """`ndcg@10` as the table has it, in two columns."""
    name, _, k = metric.partition("@")
    return {"metric": name, "k": int(k) if k else None}


def _together(row: dict[str, Any]) -> Metric:
    k = row.pop("k")
    return Metric(**row | {"metric": row["metric"] if k is None else f"{row['metric']}@{k}"})
