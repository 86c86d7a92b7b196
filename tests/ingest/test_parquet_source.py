"""Parquet sources keep the contract, read folders of several schemas, and say what is not Parquet."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from recsys_spark.errors import DataError
from recsys_spark.ingest.sources import open_table
from recsys_spark.ingest.table_source import TableSource
from tests.contracts.source import Columns, FileSourceContract, texts


class TestParquetSource(FileSourceContract):
    format = "parquet"

    @classmethod
    def store(cls, spark: SparkSession, folder: Path, columns: Columns) -> None:
        folder.mkdir()
        table = pa.table(dict(columns))
        pq.write_table(table.slice(0, 3), folder / "first.parquet")
        pq.write_table(table.slice(3), folder / "second.parquet")


def test_files_with_other_columns_are_merged_and_what_a_file_lacks_is_null(spark: SparkSession, tmp_path: Path) -> None:
    pq.write_table(pa.table({"user": ["ann"]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"user": ["bob"], "rating": [4]}), tmp_path / "b.parquet")

    table = open_table(spark, TableSource(format="parquet", path=str(tmp_path)), "source")

    assert texts(table, "user", "rating") == [("ann", None), ("bob", "4")]


def test_nan_among_numbers_is_a_missing_number_and_not_an_id(spark: SparkSession, tmp_path: Path) -> None:
    ids = pa.table(
        {"user": pa.array([1.0, float("nan"), 3.0]), "item": pa.array([1.0, 2.0, float("nan")], pa.float32())}
    )
    pq.write_table(ids, tmp_path / "a.parquet")

    table = open_table(spark, TableSource(format="parquet", path=str(tmp_path)), "source")

    assert texts(table, "user", "item") == [(None, "2"), ("1", "1"), ("3", None)]


def test_a_file_that_is_no_parquet_is_told_in_words(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "ratings.parquet").write_text("user_id,item_id,rating\n1,2,3\n")

    with pytest.raises(DataError) as raised:
        open_table(spark, TableSource(format="parquet", path=str(tmp_path)), "source")

    assert raised.value.subject == "source.path"
    assert "Parquet" in raised.value.expected
    assert str(tmp_path) in raised.value.found
