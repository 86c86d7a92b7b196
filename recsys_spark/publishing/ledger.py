"""The ledger `runs`: one row for each run that reached its end."""

from __future__ import annotations

from datetime import UTC, datetime

from pyspark.sql import DataFrame, SparkSession

from recsys_spark import __version__
from recsys_spark.publishing.summary import Summary
from recsys_spark.run import Run
from recsys_spark.schemas import RUNS, PinnedIds
from recsys_spark.spark_schema import to_spark


def ledger_row(
    spark: SparkSession, run: Run, summary: Summary, *, ids: PinnedIds, fingerprint: str | None, config_hash: str
) -> DataFrame:
    """The one row that records a finished run.

    Args:
        spark: the session.
        run: the attempt.
        summary: its counts, status, model and timings.
        ids: the pinned id types.
        fingerprint: of the inputs; none where a source has none.
        config_hash: of the resolved configuration.
    """
    row = (
        run.run_id,
        run.as_of,
        summary.status,
        summary.model_id,
        fingerprint,
        config_hash,
        __version__,
        summary.counts,
        summary.seconds,
        run.started_at,
        datetime.now(UTC),
    )
    return spark.createDataFrame([row], to_spark(RUNS.arrow(ids)))
