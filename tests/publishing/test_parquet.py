"""The Parquet sink, read through its pointer and through its symbolic link."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
from pyspark.sql import SparkSession

from recsys_spark.publishing.parquet import ParquetSink
from recsys_spark.schemas import RANKED_PAIRS, TOP_N
from tests.contracts.sink import SinkContract, SinkFactory, ranked_pairs, top_n


class TestParquetSink(SinkContract):
    sink_type = ParquetSink

    def visible(self, output: Path, table: str) -> pa.Table | None:
        pointer = output / "current.json"
        tables = json.loads(pointer.read_text())["tables"] if pointer.exists() else {}
        place = output / tables.get(table, table)
        alone = place / "current.json"
        if alone.exists():
            place /= json.loads(alone.read_text())["run_id"]
        return ds.dataset(place, partitioning="hive").to_table() if place.exists() else None

    def test_polars_and_duckdb_read_the_link(self, spark: SparkSession, sink: SinkFactory, tmp_path: Path) -> None:
        self.publish_run(spark, sink, "run-1", score=1.5)

        files = tmp_path / "current" / "top_n" / "*.parquet"
        by_polars = pl.read_parquet(files).sort("user_id", "rank").select("user_id", "rank", "item_id", "score").rows()
        query = f"select user_id, rank, item_id, score from '{files}' order by user_id, rank"

        assert by_polars == duckdb.sql(query).fetchall()
        assert len(by_polars) == 4

    def test_only_so_many_runs_are_kept_and_never_is_the_visible_one_removed(
        self, spark: SparkSession, sink: SinkFactory, tmp_path: Path
    ) -> None:
        for number in (1, 2, 3):
            self.publish_run(spark, sink, f"run-{number}", score=float(number), keep=1)

        assert [p.name for p in (tmp_path / "published").iterdir()] == ["run-3"]
        assert (tmp_path / "current").resolve().name == "run-3"

    def test_of_a_table_of_no_night_the_run_before_is_kept_for_its_readers(
        self, spark: SparkSession, sink: SinkFactory, tmp_path: Path
    ) -> None:
        for number in (1, 2, 3):
            sink(f"run-{number}").publish_alone(RANKED_PAIRS, ranked_pairs(spark, f"run-{number}"))

        folder = tmp_path / "ranked_pairs"
        assert sorted(p.name for p in folder.iterdir()) == ["current", "current.json", "run-2", "run-3"]
        assert (folder / "current").resolve() == Path(sink("run-3").location(RANKED_PAIRS)) == folder / "run-3"

    def test_an_old_run_made_current_again_survives_the_clean_up(
        self, spark: SparkSession, sink: SinkFactory, tmp_path: Path
    ) -> None:
        sink("run-9").publish(TOP_N, top_n(spark, "run-9", 9.0))
        sink("run-1").publish(TOP_N, top_n(spark, "run-1", 1.0))
        sink("run-1").forget_old(keep=1)

        assert self.scores(tmp_path) == {1.0}

    def test_a_reader_that_polls_the_pointer_only_ever_sees_whole_runs(
        self, spark: SparkSession, sink: SinkFactory, tmp_path: Path
    ) -> None:
        self.publish_run(spark, sink, "run-1", score=1.0)
        seen, stop = set(), threading.Event()

        def poll() -> None:
            while not stop.is_set():
                rows = self.visible(tmp_path, "top_n")
                assert rows is not None
                seen.add((rows.num_rows, tuple(sorted(set(rows["run_id"].to_pylist())))))

        reader = threading.Thread(target=poll)
        reader.start()
        try:
            self.publish_run(spark, sink, "run-2", score=2.0)
        finally:
            stop.set()
            reader.join()

        assert seen <= {(4, ("run-1",)), (4, ("run-2",))}
        assert (4, ("run-1",)) in seen
