"""A model that any published table names is needed, whichever job has made the table."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from recsys_spark.maintenance.needed import needed_by_tables
from recsys_spark.publishing.parquet import ParquetSink
from recsys_spark.schemas import ALL_TABLES, METRICS, RUNS, TABLES, TOP_N, PinnedIds, TableSchema
from recsys_spark.spark_schema import to_spark
from recsys_spark.storage import Folder

IDS = PinnedIds(user="long", item="string")
OF_NO_NIGHT = [
    table for table in ALL_TABLES if table not in TABLES and "model_id" in {column.name for column in table.columns}
]


def value(kind: pa.DataType) -> Any:
    """Any value of a type."""
    if pa.types.is_list(kind):
        return [value(kind.value_type)]
    if pa.types.is_timestamp(kind):
        return datetime(2026, 1, 1, tzinfo=UTC)
    if pa.types.is_date(kind):
        return date(2026, 1, 1)
    if pa.types.is_boolean(kind):
        return True
    return "x" if pa.types.is_string(kind) else 1.0 if pa.types.is_floating(kind) else 1


def publish(spark: SparkSession, sink: ParquetSink, table: TableSchema, model_id: str) -> None:
    schema = table.arrow(IDS)
    row = {field.name: value(field.type) for field in schema} | {"model_id": model_id}
    rows = spark.createDataFrame([tuple(row[name] for name in schema.names)], to_spark(schema))
    sink.publish(table, rows) if table is TOP_N else sink.publish_alone(table, rows)


def test_there_are_such_tables() -> None:
    assert len(OF_NO_NIGHT) >= 6
    assert METRICS not in OF_NO_NIGHT
    assert RUNS not in OF_NO_NIGHT


@pytest.mark.parametrize("table", OF_NO_NIGHT, ids=lambda table: table.name)
def test_a_model_that_a_table_of_no_night_names_is_needed(
    spark: SparkSession, tmp_path: Path, table: TableSchema
) -> None:
    sink = ParquetSink(spark, Folder(str(tmp_path)), IDS, "run-1")
    publish(spark, sink, TOP_N, "dot-new")
    publish(spark, sink, table, "dot-old")

    needed = needed_by_tables(sink)

    assert (needed.visible, needed.models) == ("run-1", {"dot-new", "dot-old"})
