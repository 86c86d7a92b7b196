"""Parquet files; their schemas are merged if they differ."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.ingest.table_source import TableSource


def read(spark: SparkSession, source: TableSource, path: str) -> DataFrame:
    """Every row, in the files' own types; no row is malformed."""
    rows = spark.read.option("mergeSchema", "true").parquet(path)
    return rows.withColumn("_malformed", F.lit(None).cast("string")).withColumn("_origin", F.col("_metadata.file_path"))
