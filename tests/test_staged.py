"""What a stage has written comes back with the columns that it was written with, and no job looks for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.staged import read_staged
from recsys_spark.storage import Folder


@pytest.fixture
def stored(spark: SparkSession, tmp_path: Path) -> Folder:
    """Rows of several types in two files, the columns not in the order of their names."""
    rows = spark.range(6, numPartitions=2).select(
        F.col("id").cast("int").alias("user_index", metadata={"comment": "from 0"}),
        F.array(F.col("id"), F.lit(None)).alias("seen"),
        F.create_map(F.lit("kind"), F.lit("TV")).alias("attributes"),
        F.timestamp_seconds("id").alias("at"),
        F.when(F.col("id") > 2, "late").alias("part"),
    )
    rows.write.parquet(str(tmp_path / "rows"))
    return Folder(str(tmp_path / "rows"))


def test_rows_and_columns_are_those_that_spark_finds_by_itself(spark: SparkSession, stored: Folder) -> None:
    found, expected = read_staged(spark, stored), spark.read.parquet(str(stored))

    assert found.schema == expected.schema
    assert found.schema["user_index"].metadata == {"comment": "from 0"}
    assert found.orderBy("user_index").collect() == expected.orderBy("user_index").collect()


def test_no_job_looks_for_the_columns(spark: SparkSession, stored: Folder) -> None:
    assert jobs_of(spark, "by spark", lambda: spark.read.parquet(str(stored))) == 1
    assert jobs_of(spark, "by us", lambda: read_staged(spark, stored)) == 0


def test_what_somebody_else_has_written_is_read_as_spark_reads_it(spark: SparkSession, tmp_path: Path) -> None:
    pq.write_table(pa.table({"user": ["ann"], "item": [3]}), tmp_path / "part-0.parquet")

    assert [row.asDict() for row in read_staged(spark, Folder(str(tmp_path))).collect()] == [{"user": "ann", "item": 3}]


def test_a_folder_that_is_not_there_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(AnalysisException, match="PATH_NOT_FOUND"):
        read_staged(spark, Folder(str(tmp_path / "nothing")))


def jobs_of(spark: SparkSession, group: str, read: Callable[[], DataFrame]) -> int:
    """How many jobs Spark starts before anything of the frame is asked for."""
    context = spark.sparkContext
    context.setJobGroup(group, group)
    try:
        read()
        return len(context.statusTracker().getJobIdsForGroup(group))
    finally:
        context._jsc.clearJobGroup()
