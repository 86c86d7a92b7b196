"""Tables that an earlier version has left: a missing nullable column joins, whatever else differs is told before."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from recsys_spark.errors import DataError
from recsys_spark.publishing.earlier_tables import NOTE, note_version, require_fitting
from recsys_spark.publishing.sink import Sink
from recsys_spark.publishing.sinks import SINKS
from recsys_spark.schemas import ITEMS, RUNS, TOP_N, TOP_N_HISTORY, USER_LISTS, TableSchema
from recsys_spark.storage import Folder
from tests.contracts.sink import IDS, items, ledger, top_n


@pytest.fixture(params=["delta", "parquet"])
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def sink(spark: SparkSession, tmp_path: Path, layout: str) -> Sink:
    return SINKS[layout](spark, Folder(str(tmp_path)), IDS, "run-1")


class Earlier:
    """Writes tables as an earlier version of this package might have, and looks at them as this one does."""

    def __init__(self, folder: Path, layout: str, sink: Sink) -> None:
        self.folder, self.layout, self.sink = folder, layout, sink

    def write(self, table: TableSchema, rows: DataFrame) -> None:
        if self.layout == "delta":
            rows.write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(
                self.sink.location(table)
            )
            return
        parts = table in (TOP_N_HISTORY, RUNS)
        place = self.folder / (f"{table.name}/run_id=run-0" if parts else f"published/run-0/{table.name}")
        (rows.drop("run_id") if parts else rows).write.mode("overwrite").parquet(str(place))
        inside = Folder(str(self.folder / "published" / "run-0")).children()
        pointer = {"run_id": "run-0", "tables": {name: f"published/run-0/{name}" for name in inside}}
        Folder(str(self.folder)).write_json("current.json", pointer)

    def look(self, *tables: TableSchema) -> None:
        require_fitting(self.sink, IDS, tables, state=Folder(str(self.folder / "state")))


@pytest.fixture
def earlier(tmp_path: Path, layout: str, sink: Sink) -> Earlier:
    return Earlier(tmp_path, layout, sink)


def test_a_table_without_some_nullable_columns_goes_on_and_gets_them(
    spark: SparkSession, sink: Sink, earlier: Earlier
) -> None:
    older = top_n(spark, "run-0", 1.0).drop("score_std", "variant", "predicted_rating")
    earlier.write(TOP_N, older)
    earlier.write(TOP_N_HISTORY, older)

    earlier.look(TOP_N, TOP_N_HISTORY, ITEMS, USER_LISTS)

    sink.add_run(TOP_N_HISTORY, top_n(spark, "run-1", 2.0), run_id="run-1", keep=7)
    sink.publish(TOP_N, top_n(spark, "run-1", 2.0))
    for table, runs in ((TOP_N, {"run-1"}), (TOP_N_HISTORY, {"run-0", "run-1"})):
        rows = sink.read(table)
        assert rows is not None
        assert set(rows.columns) == {column.name for column in table.columns}
        assert {row["run_id"] for row in rows.where("variant IS NULL").collect()} == runs
    earlier.look(TOP_N, TOP_N_HISTORY)


def test_columns_of_another_type_missing_or_unknown_are_told_with_their_tables(
    spark: SparkSession, earlier: Earlier
) -> None:
    earlier.write(ITEMS, items(spark).selectExpr("*", "title as mine"))
    earlier.write(TOP_N, top_n(spark, "run-0", 1.0).selectExpr("* except (score, rank)", "cast(score as double) score"))
    earlier.write(RUNS, ledger(spark, "run-0").drop("config_hash"))

    with pytest.raises(DataError) as raised:
        earlier.look(TOP_N, ITEMS, RUNS)

    assert raised.value.found == (
        "top_n: score (double instead of float), rank (missing); items: mine (unknown); runs: config_hash (missing)"
    )
    assert "output.path" in raised.value.hint


def test_tables_of_another_major_version_are_refused_and_those_of_a_later_minor_one_may_know_more(
    spark: SparkSession, tmp_path: Path, earlier: Earlier
) -> None:
    state = Folder(str(tmp_path / "state"))
    earlier.write(ITEMS, items(spark).selectExpr("*", "title as later"))
    note_version(state)
    assert state.read_json(NOTE) == {"version": "1.0"}

    state.write_json(NOTE, {"version": "1.7"})
    earlier.look(ITEMS)
    state.write_json(NOTE, {"version": "2.0"})
    with pytest.raises(DataError, match=r"schema version 1\.x, found version 2\.0"):
        earlier.look()
