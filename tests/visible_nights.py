"""Nights on the sample that pyspark ships, and jobs that ask the model of their lists without knowing the source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from recsys_spark import artifact, stages
from recsys_spark.job import Job
from recsys_spark.kernels.scorer import PairScorer
from tests.jobs import job_with, settings_of

SMALL = (
    "training.epochs=2",
    "training.early_stopping=null",
    "split={test_fraction: 0, validation_fraction: 0}",
    "evaluation.k=[]",
)


@dataclass(frozen=True)
class Nights:
    """Makes jobs at one output."""

    spark: SparkSession
    output: Path
    format: str

    def job(self, *overrides: str) -> Job:
        """A new attempt."""
        given = [f"output.path={self.output}", f"output.format={self.format}", *SMALL, *overrides]
        return job_with(self.spark, settings_of(*given))

    def night(self, *overrides: str) -> Job:
        """A whole night."""
        job = self.job(*overrides)
        stages.nightly(job)
        return job

    def question(self, *overrides: str) -> Job:
        """An attempt that could not read the source if it wanted to, and whose configuration is of another model."""
        return self.job("source.path=gone.csv", "model={name: dot, embedding_size: 3}", *overrides)

    def table(self, name: str) -> pd.DataFrame:
        """As a reader without Spark sees it."""
        if self.format == "delta":
            return DeltaTable(self.output / name).to_pandas()
        linked = self.output / "current" / name
        return pd.read_parquet(linked if linked.exists() else self.output / name / "current")

    def model(self, model_id: str) -> dict[str, PairScorer]:
        """The published scorers."""
        return artifact.load(self.output / "models" / model_id)
