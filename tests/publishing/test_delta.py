"""The Delta sink, read by delta-rs, Polars and DuckDB."""

from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from recsys_spark.publishing.delta import DeltaSink
from tests.contracts.sink import SinkContract, SinkFactory


class TestDeltaSink(SinkContract):
    sink_type = DeltaSink

    def visible(self, output: Path, table: str) -> pa.Table | None:
        return DeltaTable(output / table).to_pyarrow_table() if (output / table).exists() else None

    def test_polars_and_duckdb_read_the_same_rows_as_delta_rs(
        self, spark: SparkSession, sink: SinkFactory, tmp_path: Path
    ) -> None:
        self.publish_run(spark, sink, "run-1", score=1.5)

        by_delta_rs = self.visible(tmp_path, "top_n")
        by_polars = pl.read_delta(str(tmp_path / "top_n"))
        top_n = DeltaTable(tmp_path / "top_n").to_pyarrow_dataset()  # noqa: F841  (DuckDB reads it by its name)
        by_duckdb = duckdb.sql("select user_id, rank, item_id, score from top_n order by user_id, rank").fetchall()

        assert by_delta_rs is not None
        assert by_polars.sort("user_id", "rank").select("user_id", "rank", "item_id", "score").rows() == by_duckdb
        assert len(by_duckdb) == by_delta_rs.num_rows == 4

    def test_any_reader_of_protocol_one_may_open_it(
        self, spark: SparkSession, sink: SinkFactory, tmp_path: Path
    ) -> None:
        self.publish_run(spark, sink, "run-1", score=1.0)
        self.publish_run(spark, sink, "run-2", score=2.0)

        protocols = {
            table: DeltaTable(tmp_path / table).protocol().min_reader_version
            for table in ("top_n", "top_n_history", "items")
        }
        assert protocols == {"top_n": 1, "top_n_history": 1, "items": 1}

    def test_columns_carry_their_comments(self, spark: SparkSession, sink: SinkFactory, tmp_path: Path) -> None:
        self.publish_run(spark, sink, "run-1", score=1.0)

        fields = DeltaTable(tmp_path / "top_n").schema().fields

        assert all(field.metadata.get("comment") for field in fields)

    def test_each_publish_is_one_commit_that_names_its_run(
        self, spark: SparkSession, sink: SinkFactory, tmp_path: Path
    ) -> None:
        for number in (1, 2):
            self.publish_run(spark, sink, f"run-{number}", score=float(number))

        commits = DeltaTable(tmp_path / "top_n").history()

        assert [commit["userMetadata"] for commit in commits] == ["run_id=run-2", "run_id=run-1"]
