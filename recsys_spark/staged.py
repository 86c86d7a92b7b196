"""Parquet that a stage has written, read by the next one."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from recsys_spark.storage import Folder

_SPARK_SCHEMA = b"org.apache.spark.sql.parquet.row.metadata"
"""Where Spark keeps its own schema in the footer of a file."""


def read_staged(spark: SparkSession, folder: Folder) -> DataFrame:
    """A data set that Spark has written, with the columns that the footer of its first file tells.

    Spark would find the same columns, but starts a job to look for them; a night reads some twenty such data sets.

    Args:
        spark: any session.
        folder: of Parquet files with the same columns.
    """
    schema = _schema_of(folder)
    reader = spark.read if schema is None else spark.read.schema(schema)
    return reader.parquet(str(folder))


def _schema_of(folder: Folder) -> StructType | None:
    """As Spark has noted it; none: there is no file, or somebody else has written it."""
    files, _ = folder.arrow
    first = next(iter(folder.parquet_files()), None)
    noted = None if first is None else (pq.read_schema(first, filesystem=files).metadata or {}).get(_SPARK_SCHEMA)
    return None if noted is None else StructType.fromJson(json.loads(noted))
