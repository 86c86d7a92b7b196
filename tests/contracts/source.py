"""What every source promises. A format's test class stores a small table and inherits `SourceContract`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from pyspark.sql import DataFrame, SparkSession

from recsys_spark.errors import ConfigError
from recsys_spark.ingest.sources import EXTRA_COLUMNS, column_of, open_table
from recsys_spark.ingest.table_source import ColumnRef, TableSource

Columns = Mapping[str, Sequence[Any]]

COLUMNS: Columns = {
    "user_id": ["ann", "bob", "ann", "cid"],
    "item_id": [7, 8, 9, 8],
    "as_float": [7.0, 8.0, 9.0, 8.5],
    "rating": [4.0, 3.5, None, 5.0],
}
"""Users by name, items by number, nearly the same numbers in floating point, and ratings of which one is missing."""

SPARK_TYPES = {"user_id": "string", "item_id": "bigint", "as_float": "double", "rating": "double"}


def as_frame(spark: SparkSession, columns: Columns) -> DataFrame:
    """The columns as a DataFrame in their own types."""
    schema = ", ".join(f"{name} {SPARK_TYPES[name]}" for name in columns)
    return spark.createDataFrame(list(zip(*columns.values(), strict=True)), schema)


def texts(table: DataFrame, *refs: ColumnRef) -> list[tuple[str | None, ...]]:
    """Columns of a source as text, row by row, sorted."""
    chosen = table.select(*(column_of(table, ref, "source.columns").alias(f"c{i}") for i, ref in enumerate(refs)))
    return sorted((tuple(row) for row in chosen.collect()), key=lambda row: [text or "" for text in row])


class SourceContract:
    """The suite."""

    format: ClassVar[Literal["csv", "parquet", "delta", "jdbc"]]

    floats_as_ids: ClassVar[list[str]] = ["7", "8", "8.5", "9"]
    """What the column `as_float` looks like as ids, sorted; formats that hold text only cannot know better."""

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls) -> TableSource:
        """A source that holds `COLUMNS`."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def table(cls, spark: SparkSession, source: TableSource) -> DataFrame:
        return open_table(spark, source, "source")

    def test_every_row_comes_back_by_the_names_of_the_columns(self, table: DataFrame) -> None:
        rows = texts(table, "user_id", "item_id")

        assert rows == [("ann", "7"), ("ann", "9"), ("bob", "8"), ("cid", "8")]
        assert tuple(table.columns) == (*COLUMNS, *EXTRA_COLUMNS)

    def test_a_position_means_the_column_that_stands_there(self, table: DataFrame) -> None:
        assert texts(table, 1, 0) == [("7", "ann"), ("8", "bob"), ("8", "cid"), ("9", "ann")]

    def test_the_two_extra_columns_cannot_be_chosen_by_position_or_name(self, table: DataFrame) -> None:
        for ref in (len(COLUMNS), "_origin"):
            with pytest.raises(ConfigError):
                column_of(table, ref, "source.columns.user")

    def test_whole_numbers_in_floating_point_are_ids_without_a_fraction(self, table: DataFrame) -> None:
        assert [text for (text,) in texts(table, "as_float")] == self.floats_as_ids

    def test_numbers_keep_their_value_and_a_missing_one_is_null(self, table: DataFrame) -> None:
        rows = texts(table, "user_id", "item_id", "rating")
        found = {(user, item): rating for user, item, rating in rows}

        assert found.pop(("ann", "9")) is None
        assert {pair: float(text or math.nan) for pair, text in found.items()} == {
            ("ann", "7"): 4.0,
            ("bob", "8"): 3.5,
            ("cid", "8"): 5.0,
        }

    def test_no_row_of_a_sound_table_is_malformed_and_each_names_its_place(
        self, table: DataFrame, source: TableSource
    ) -> None:
        rows = table.collect()

        assert [row["_malformed"] for row in rows] == [None] * 4
        assert all(source.place in row["_origin"] for row in rows)

    def test_where_keeps_the_rows_that_fulfil_it(self, spark: SparkSession, source: TableSource) -> None:
        kept = open_table(spark, source.model_copy(update={"where": "item_id = 8 AND user_id <> 'cid'"}), "source")

        assert texts(kept, "user_id", "item_id") == [("bob", "8")]

    @pytest.mark.parametrize("where", ["itm_id = 8", "item_id = = 8", "DATE '2024-01-01'"])
    def test_a_where_that_does_not_fit_is_refused_with_the_columns(
        self, spark: SparkSession, source: TableSource, where: str
    ) -> None:
        with pytest.raises(ConfigError) as raised:
            open_table(spark, source.model_copy(update={"where": where}), "items")

        assert raised.value.subject == "items.where"
        assert where in raised.value.found
        assert "user_id, item_id, as_float, rating" in raised.value.hint

    @pytest.mark.parametrize("ref", ["itm_id", 4])
    def test_a_column_that_is_not_there_is_refused_with_its_key_and_the_columns(
        self, table: DataFrame, ref: ColumnRef
    ) -> None:
        with pytest.raises(ConfigError) as raised:
            column_of(table, ref, "source.columns.item")

        assert raised.value.subject == "source.columns.item"
        assert raised.value.found == repr(ref)
        assert "user_id, item_id, as_float, rating" in raised.value.hint

    def test_no_place_is_refused_with_its_key(self, spark: SparkSession) -> None:
        with pytest.raises(ConfigError) as raised:
            open_table(spark, TableSource(format=self.format), "users")

        assert raised.value.subject in raised.value.hint
        assert raised.value.subject.startswith("users.")
        assert raised.value.found == "none"


class FileSourceContract(SourceContract):
    """The suite of a format of files."""

    @classmethod
    def store(cls, spark: SparkSession, folder: Path, columns: Columns) -> None:
        """Write the columns into an empty folder, in this format."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> TableSource:
        folder = tmp_path_factory.mktemp("source") / "ratings"
        cls.store(spark, folder, COLUMNS)
        return TableSource(format=cls.format, path=str(folder))

    def test_each_row_names_its_file(self, table: DataFrame, source: TableSource) -> None:
        stored = {file.name for file in Path(source.path or "").iterdir()}
        rows = table.collect()

        assert {Path(row["_origin"]).name for row in rows} <= stored
        assert all(f"{source.path}/" in row["_origin"] for row in rows)

    @pytest.mark.parametrize("path", [None, "no/such/place", "no/such/*"])
    def test_a_path_where_nothing_lies_is_refused_with_its_key(self, spark: SparkSession, path: str | None) -> None:
        with pytest.raises(ConfigError) as raised:
            open_table(spark, TableSource(format=self.format, path=path), "users")

        assert raised.value.subject == "users.path"
        assert (path or "none") in raised.value.found
        assert "users.path" in raised.value.hint
