"""The ledger `runs`: one row for each run that reached its end."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from recsys_spark import __version__
from recsys_spark.publishing.summary import Summary
from recsys_spark.run import Run
from recsys_spark.schemas import RUNS, PinnedIds


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
    row = {
        "run_id": run.run_id,
        "as_of": run.as_of,
        "status": summary.status,
        "model_id": summary.model_id,
        "fingerprint": fingerprint,
        "config_hash": config_hash,
        "code_version": __version__,
        "counts": list(summary.counts.items()),
        "seconds": list(summary.seconds.items()),
        "started_at": run.started_at,
        "finished_at": datetime.now(UTC),
    }
    return spark.createDataFrame(pa.Table.from_pylist([row], RUNS.arrow(ids)))
