"""Delimited text keeps the contract, in all the shapes it comes in."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from recsys_spark.errors import DataError
from recsys_spark.ingest.sources import EXTRA_COLUMNS, open_table
from recsys_spark.ingest.table_source import TableSource
from tests.contracts.source import Columns, FileSourceContract, texts

HEADER = "user_id,item_id,rating\n"


def opened(spark: SparkSession, place: Path, **settings: Any) -> DataFrame:
    return open_table(spark, TableSource(path=str(place), **settings), "source")


def stored(place: Path, content: str | bytes) -> Path:
    place.parent.mkdir(exist_ok=True, parents=True)
    place.write_bytes(content.encode() if isinstance(content, str) else content)
    return place


def lines_of(table: DataFrame) -> list[tuple[str | None, ...]]:
    """The rows without the two extra columns, in the order of the file (one small file is one partition)."""
    return [tuple(row) for row in table.drop(*EXTRA_COLUMNS).collect()]


class TestDelimitedSource(FileSourceContract):
    format = "csv"
    floats_as_ids = ["7.0", "8.0", "8.5", "9.0"]

    @classmethod
    def store(cls, spark: SparkSession, folder: Path, columns: Columns) -> None:
        folder.mkdir()
        rows = list(zip(*columns.values(), strict=True))
        for name, part in (("first.csv", rows[:3]), ("second.csv", rows[3:])):
            with (folder / name).open("w", newline="") as file:
                csv.writer(file).writerows([tuple(columns), *part])


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("separator", [",", "::", "\t", "\\t", "|", ";"])
def test_any_separator_with_and_without_a_header(
    spark: SparkSession, tmp_path: Path, separator: str, header: bool
) -> None:
    between = separator.replace("\\t", "\t")
    rows = [("user", "item", "rating"), ("ann", "1", "4.5"), ("bob", "2", "3")]
    file = stored(tmp_path / "ratings", "".join(between.join(row) + "\n" for row in rows[not header :]))

    table = opened(spark, file, separator=separator, header=header)

    assert table.columns[:3] == (list(rows[0]) if header else ["_c0", "_c1", "_c2"])
    assert lines_of(table) == rows[1:]


@pytest.mark.parametrize(
    ("content", "settings", "expected"),
    [
        pytest.param('"a,b","say ""x""",3\n', {}, ("a,b", 'say "x"', "3"), id="a separator and quotes inside quotes"),
        pytest.param("a,b,3\r\n", {}, ("a", "b", "3"), id="lines that end with CR LF"),
        pytest.param("a,b,3", {}, ("a", "b", "3"), id="no line end at the end of the file"),
        pytest.param('a,5" nail,3\n', {"quote": ""}, ("a", '5" nail', "3"), id="a mark that is no quotation mark"),
        pytest.param("a,,3\n", {}, ("a", None, "3"), id="an empty field is null"),
        pytest.param(" a , b,3\n", {}, (" a ", " b", "3"), id="blanks belong to the field"),
        pytest.param("Zoë,日本,3\n", {}, ("Zoë", "日本", "3"), id="letters of the world"),
        pytest.param("\n\na,b,3\n\n", {}, ("a", "b", "3"), id="blank lines are no rows"),
        pytest.param('a,"two\nlines",3\n', {"multiline": True}, ("a", "two\nlines", "3"), id="a line end in quotes"),
        pytest.param("#a,NULL,NaN\n", {}, ("#a", "NULL", "NaN"), id="no word has a special meaning"),
    ],
)
def test_a_field_is_what_stands_between_the_separators(
    spark: SparkSession, tmp_path: Path, content: str, settings: dict[str, Any], expected: tuple[str | None, ...]
) -> None:
    table = opened(spark, stored(tmp_path / "ratings.csv", HEADER + content), **settings)

    assert lines_of(table) == [expected]
    assert [row["_malformed"] for row in table.collect()] == [None]


def test_a_byte_order_mark_is_no_part_of_the_first_name(spark: SparkSession, tmp_path: Path) -> None:
    table = opened(spark, stored(tmp_path / "ratings.csv", "\ufeff" + HEADER + "ann,1,4\n"))

    assert texts(table, "user_id") == [("ann",)]


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "latin-1"])
def test_latin_1_is_read_as_such(spark: SparkSession, tmp_path: Path, encoding: str) -> None:
    file = stored(tmp_path / "ratings.csv", (HEADER + "Zoë,Les Misérables,4\n").encode("ISO-8859-1"))

    assert lines_of(opened(spark, file, encoding=encoding)) == [("Zoë", "Les Misérables", "4")]


def test_an_encoding_that_spark_cannot_read_is_refused_before_spark_starts() -> None:
    with pytest.raises(ValueError, match="ISO-8859-1"):
        TableSource(encoding="windows-1252")


def test_gzip_is_read_through_its_name(spark: SparkSession, tmp_path: Path) -> None:
    file = stored(tmp_path / "ratings.csv.gz", gzip.compress((HEADER + "ann,1,4\n").encode()))

    assert lines_of(opened(spark, file)) == [("ann", "1", "4")]


@pytest.mark.parametrize("where", [None, "rating = '3'", "1 = 0"])
def test_a_line_with_other_columns_is_malformed_and_no_where_removes_it(
    spark: SparkSession, tmp_path: Path, where: str | None
) -> None:
    broken = ["too,few", "one,too,many,4", "", "just text", ",,,,,"]
    file = stored(tmp_path / "ratings.csv", HEADER + "ann,1,3\n" + "\n".join(broken) + "\nbob,1,4\n")

    rows = opened(spark, file, where=where).collect()

    assert [row["_malformed"] for row in rows if row["_malformed"]] == [line for line in broken if line]
    sound = {None: ["ann", "bob"], "rating = '3'": ["ann"], "1 = 0": []}[where]
    assert [row["user_id"] for row in rows if not row["_malformed"]] == sound


def test_malformed_lines_are_found_whichever_columns_are_read(spark: SparkSession, tmp_path: Path) -> None:
    file = stored(tmp_path / "ratings.csv", HEADER + "ann,1,3\none,too,many,4\n")

    rows = opened(spark, file).select("user_id", "_malformed").collect()

    assert [row["_malformed"] for row in rows] == [None, "one,too,many,4"]


@pytest.mark.parametrize("broken", ["too::few", "one::too::many::4", "a title, perhaps"])
def test_without_a_header_a_broken_first_line_is_malformed_and_the_others_are_not(
    spark: SparkSession, tmp_path: Path, broken: str
) -> None:
    file = stored(tmp_path / "ratings.dat", f"{broken}\nann::1::4\nbob::2::3\n")

    rows = opened(spark, file, separator="::", header=False).collect()

    assert [row["_malformed"] for row in rows] == [broken, None, None]
    assert [tuple(row)[:3] for row in rows[1:]] == [("ann", "1", "4"), ("bob", "2", "3")]


def test_several_files_with_the_same_header_are_one_table(spark: SparkSession, tmp_path: Path) -> None:
    stored(tmp_path / "a.csv", HEADER + "ann,1,4\n")
    stored(tmp_path / "b.csv", HEADER + "bob,2,3\n")
    stored(tmp_path / "c.csv.gz", gzip.compress((HEADER + "cid,3,2\n").encode()))
    stored(tmp_path / "_SUCCESS", "")

    table = opened(spark, tmp_path)

    assert texts(table, "user_id", "rating") == [("ann", "4"), ("bob", "3"), ("cid", "2")]
    assert texts(opened(spark, tmp_path / "[ab].csv"), "user_id") == [("ann",), ("bob",)]


def test_blank_and_repeated_names_are_told_apart_by_their_position(spark: SparkSession, tmp_path: Path) -> None:
    file = stored(tmp_path / "ratings.csv", ",user_id,item_id,Rating,rating\n0,ann,1,4,5\n0,too,few\n")

    table = opened(spark, file)

    assert table.columns[:5] == ["_c0", "user_id", "item_id", "Rating3", "rating4"]
    assert [tuple(row)[:6] for row in table.collect()] == [
        ("0", "ann", "1", "4", "5", None),
        ("0", "too", "few", None, None, "0,too,few"),
    ]


def test_several_files_with_a_blank_name_are_one_table_only_if_the_other_names_agree(
    spark: SparkSession, tmp_path: Path
) -> None:
    stored(tmp_path / "a.csv", ",user_id,item_id\n0,ann,1\n")
    stored(tmp_path / "b.csv", ",user_id,item_id\n1,bob,2\n")
    assert texts(opened(spark, tmp_path), "user_id", "item_id") == [("ann", "1"), ("bob", "2")]

    stored(tmp_path / "c.csv", ",item_id,user_id\n2,3,cid\n")
    with pytest.raises(DataError) as raised:
        opened(spark, tmp_path)

    assert "same header" in raised.value.expected


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_file_is_refused(spark: SparkSession, tmp_path: Path, content: str) -> None:
    with pytest.raises(DataError, match="at least one line"):
        opened(spark, stored(tmp_path / "ratings.csv", content))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(gzip.compress(HEADER.encode())[:8], "ends where it should", id="cut within its head"),
        pytest.param(HEADER.encode(), "sound gzip", id="not compressed at all"),
    ],
)
def test_a_broken_gzip_file_is_told_in_words_when_its_header_is_read(
    spark: SparkSession, tmp_path: Path, content: bytes, expected: str
) -> None:
    with pytest.raises(DataError) as raised:
        opened(spark, stored(tmp_path / "ratings.csv.gz", content))

    assert raised.value.subject == "source.path"
    assert expected in raised.value.expected
    assert "ratings.csv.gz" in raised.value.found
