"""Delta tables, at the version that is current when the run starts to read."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.ingest.table_source import TableSource


def read(spark: SparkSession, source: TableSource, path: str) -> DataFrame:
    """Every row, in the table's own types; no row is malformed."""
    rows = spark.read.format("delta").load(path)
    return rows.withColumn("_malformed", F.lit(None).cast("string")).withColumn("_origin", F.col("_metadata.file_path"))
