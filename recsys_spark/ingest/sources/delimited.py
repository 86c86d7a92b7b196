"""Delimited text: CSV, tab, `::`, `|` and whatever else stands between two columns."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from recsys_spark.errors import DataError
from recsys_spark.ingest.settings import TableSource


def read(spark: SparkSession, source: TableSource, path: str) -> DataFrame:
    """Every line as text columns; a line with another number of columns is `_malformed`.

    Without a header the columns are `_c0`, `_c1`, ..., as many as the first line has. With one, every file must have
    the same header. Blank lines are no rows.
    """
    options = {
        "sep": source.separator,
        "header": str(source.header).lower(),
        "encoding": source.encoding,
        "quote": source.quote,
        "escape": source.quote or "\\",
        "multiLine": str(source.multiline).lower(),
        "mode": "PERMISSIVE",
        "columnNameOfCorruptRecord": "_malformed",
        "enforceSchema": "false",
        # a pruned parser no longer sees that a line has too many columns
        "columnPruning": "false",
    }
    names = spark.read.options(**options).csv(path).columns
    if not names:
        raise DataError(str(source.path), expected="at least one line", found="an empty file")
    schema = StructType([StructField(name, StringType()) for name in (*names, "_malformed")])
    rows = spark.read.options(**options).schema(schema).csv(path)
    return rows.withColumn("_origin", F.col("_metadata.file_path"))
