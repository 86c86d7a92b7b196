"""The rows of the table `trials`."""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from recsys_spark.schemas import TRIALS, PinnedIds
from recsys_spark.spark_schema import from_arrow
from recsys_spark.tuning.search import Found
from recsys_spark.tuning.space import as_texts


def trial_rows(spark: SparkSession, found: Found, *, ids: PinnedIds, run_id: str, study: str) -> DataFrame:
    """One row for each finished trial of a study.

    Args:
        spark: the session.
        found: the trials and what they were compared by.
        ids: the pinned id types.
        run_id: the run that writes.
        study: name of the study.
    """
    rows = [
        {
            "run_id": run_id,
            "study": study,
            "trial": trial.number,
            "state": trial.state,
            "metric": found.metric,
            "value": trial.value,
            "epochs": trial.epochs,
            "parameters": list(as_texts(trial.draw).items()),
            "message": trial.message,
            "seconds": trial.seconds,
            "started_at": trial.started_at,
        }
        for trial in found.trials
    ]
    return from_arrow(spark, pa.Table.from_pylist(rows, TRIALS.arrow(ids)))
