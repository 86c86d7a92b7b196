"""Metadata: one row for each id, whatever the table looks like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from recsys_spark.errors import ConfigError
from recsys_spark.ingest.metadata import no_metadata, of_type, read_metadata
from recsys_spark.ingest.settings import ItemsSource, UsersSource

BOOKS = """id,name,year,language
7,Emma,1815,eng
8,Les Misérables,1862,
9,,1899,nor
,no id,2000,eng
10,too,few
"""

COLUMNS = {"item": "id", "title": "name", "year": "year", "tongue": "language"}


@pytest.fixture
def books(tmp_path: Path) -> Path:
    file = tmp_path / "books.csv"
    file.write_bytes(BOOKS.encode("ISO-8859-1"))
    return file


def read(spark: SparkSession, file: Path, **settings: Any) -> dict[str, tuple[str | None, dict[str, str | None]]]:
    settings = {"columns": COLUMNS, "encoding": "ISO-8859-1", **settings}
    rows = read_metadata(spark, ItemsSource(path=str(file), **settings), "item").collect()
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: (row["title"], row["attributes"]) for row in rows}


def test_a_table_gives_titles_and_the_other_columns_under_their_new_names(spark: SparkSession, books: Path) -> None:
    assert read(spark, books) == {
        "7": ("Emma", {"year": "1815", "tongue": "eng"}),
        "8": ("Les Misérables", {"year": "1862", "tongue": None}),
        "9": (None, {"year": "1899", "tongue": "nor"}),
    }


def test_where_leaves_rows_out(spark: SparkSession, books: Path) -> None:
    assert read(spark, books, where="year > 1850 AND language = 'nor'").keys() == {"9"}


def test_only_the_id_is_needed(spark: SparkSession, books: Path) -> None:
    assert read(spark, books, columns={"item": 0}) == {"7": (None, {}), "8": (None, {}), "9": (None, {})}


@pytest.mark.parametrize("order", [1, -1])
def test_of_several_rows_of_an_id_the_one_that_sorts_last_counts_so_a_title_wins(
    spark: SparkSession, tmp_path: Path, order: int
) -> None:
    rows = ["7,Emma,1816", "7,Emma,1815", "7,Zadig,1747", "8,,1", "8,A,2"]
    file = tmp_path / "books.csv"
    file.write_text("\n".join(["id,name,year", *rows[::order]]))

    found = read(spark, file, columns={"item": "id", "title": "name", "year": "year"})

    assert found == {"7": ("Zadig", {"year": "1747"}), "8": ("A", {"year": "2"})}


def test_users_have_attributes_and_no_title(spark: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "u.user"
    file.write_text("1|24|M\n2|53|F\n")
    source = UsersSource(path=str(file), separator="|", header=False, columns={"user": 0, "age": 1, "gender": 2})

    rows = read_metadata(spark, source, "user").orderBy("id").collect()

    assert [tuple(row) for row in rows] == [
        ("1", None, {"age": "24", "gender": "M"}),
        ("2", None, {"age": "53", "gender": "F"}),
    ]


def test_a_wrong_column_is_named_by_its_key(spark: SparkSession, books: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        read(spark, books, columns={"item": "id", "tongue": "langage"})

    assert raised.value.subject == "items.columns.tongue"
    assert "id, name, year, language" in raised.value.hint


def test_a_table_must_say_which_column_holds_the_id() -> None:
    with pytest.raises(ValueError, match="'item'"):
        ItemsSource(path="books.csv", columns={"title": "name"})


def test_ids_of_another_type_than_the_pinned_one_are_left_out(spark: SparkSession, books: Path) -> None:
    books.write_text("id,name\n7,Emma\n007,Bond\nx,Y\n 7,Z\n")
    table = read_metadata(spark, ItemsSource(path=str(books), columns={"item": "id"}), "item")

    assert {row["id"] for row in of_type(table, "long").collect()} == {"7"}
    assert {row["id"] for row in of_type(table, "string").collect()} == {"7", "007", "x", " 7"}


def test_no_table_is_an_empty_one_of_the_same_form(spark: SparkSession, books: Path) -> None:
    some = read_metadata(spark, ItemsSource(path=str(books), columns=COLUMNS), "item")
    none = no_metadata(spark)

    assert none.dtypes == some.dtypes
    assert none.collect() == []
