"""Delimited text: CSV, tab, `::`, `|` and whatever else stands between two columns."""

from __future__ import annotations

from functools import reduce
from operator import and_

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from recsys_spark.errors import DataError
from recsys_spark.ingest.lines import LINES, usual_width
from recsys_spark.ingest.table_source import TableSource

NEVER_WRITTEN = "\uffff"
"""No character of any text. Without a quotation mark Spark takes NUL for one, which text may hold."""


def read(spark: SparkSession, source: TableSource, path: str) -> DataFrame:
    """Every line as text columns; a line with another number of columns is `_malformed`.

    Without a header the columns are `_c0`, `_c1`, ..., as many as most of the first lines have. With one, every file
    must have the same header; a column without a name is called `_c` and its position, and names that stand there
    twice get their position appended. A header that stands between rows is `_malformed`. Blank lines are no rows.
    """
    options = {
        "sep": source.separator,
        "header": str(source.header).lower(),
        "encoding": source.encoding,
        "quote": source.quote or NEVER_WRITTEN,
        "escape": source.quote or NEVER_WRITTEN,
        "multiLine": str(source.multiline).lower(),
        "mode": "PERMISSIVE",
        "columnNameOfCorruptRecord": "_malformed",
        # a pruned parser no longer sees that a line has too many columns
        "columnPruning": "false",
    }
    by_name = source.header or source.multiline
    names = spark.read.options(**options).csv(path).columns if by_name else _by_position(spark, source, path)
    if not names:
        raise DataError(str(source.path), expected="at least one line", found="an empty file")
    renamed = source.header and _may_be_renamed(names)
    if renamed:
        _require_same_names(spark, source, options, path)
    schema = StructType([StructField(name, StringType()) for name in (*names, "_malformed")])
    # Spark compares each file's header with the names, but not with those that it has made up itself
    rows = spark.read.options(**options, enforceSchema=str(renamed).lower()).schema(schema).csv(path)
    if source.header and not renamed:
        rows = rows.withColumn("_malformed", F.coalesce("_malformed", _header_again(names, source.separator)))
    return rows.withColumn("_origin", F.col("_metadata.file_path"))


def _header_again(names: list[str], separator: str) -> Column:
    """The line of a header that stands between rows, as where files were put together; null for other rows."""
    columns = [F.col(f"`{name.replace('`', '``')}`") for name in names]
    same = reduce(and_, (column == F.lit(name) for column, name in zip(columns, names, strict=True)))
    return F.when(same, F.lit(separator.join(names)))


def _by_position(spark: SparkSession, source: TableSource, path: str) -> list[str]:
    """Names by position for the width that most of the first lines have: Spark itself looks at the first one only."""
    lines = [row["value"] for row in spark.read.text(path).head(LINES) if row["value"].strip()]
    return [f"_c{i}" for i in range(usual_width(lines, source))] if lines else []


def _may_be_renamed(names: list[str]) -> bool:
    """Whether the names look as if Spark had to replace blank or repeated ones; true for some others too."""
    bases = {name.lower().removesuffix(str(i)) for i, name in enumerate(names)}
    return len(bases) < len(names) or any(name == f"_c{i}" for i, name in enumerate(names))


def _require_same_names(spark: SparkSession, source: TableSource, options: dict[str, str], path: str) -> None:
    first = spark.read.options(**options).csv(path)
    files = sorted(first.inputFiles())
    for file in files if len(files) > 1 else ():
        names = spark.read.options(**options).csv(file).columns
        if names not in ([], first.columns):
            raise DataError(
                str(source.path),
                expected=f"the same header in every file ({', '.join(first.columns)})",
                found=f"{', '.join(names)} in {file}",
            )
