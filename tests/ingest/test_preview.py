"""The first look tells what is wrong with a source, without Spark, and never what is right."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from recsys_spark.errors import ConfigError, DataError, RecsysError
from recsys_spark.ingest.preview import input_problems
from recsys_spark.ingest.sources import EXTRA_COLUMNS, open_table
from recsys_spark.ingest.table_source import ColumnRef, TableSource

ROLES: dict[str, ColumnRef | None] = {"user": "user_id", "item": "item_id", "rating": "rating", "timestamp": None}
HEADER = "user_id,item_id,rating\n"
SOUND = HEADER + "ann,1,4\nbob,2,3\n"


def stored(place: Path, content: str | bytes) -> Path:
    place.parent.mkdir(exist_ok=True, parents=True)
    place.write_bytes(content.encode() if isinstance(content, str) else content)
    return place


def problems(path: Path | str, roles: dict[str, ColumnRef | None] = ROLES, **settings: Any) -> list[RecsysError]:
    return list(input_problems(TableSource(path=str(path), **settings), roles, "source"))


def problem(path: Path | str, roles: dict[str, ColumnRef | None] = ROLES, **settings: Any) -> RecsysError:
    found = problems(path, roles, **settings)
    assert len(found) == 1
    return found[0]


def test_nothing_is_wrong_with_a_sound_file_a_folder_a_glob_or_a_compressed_file(tmp_path: Path) -> None:
    stored(tmp_path / "a.csv", SOUND)
    stored(tmp_path / "b.csv.gz", gzip.compress(SOUND.encode()))
    stored(tmp_path / "_SUCCESS", "")
    stored(tmp_path / ".a.csv.crc", b"\xff\xfe")

    for place in ("a.csv", "b.csv.gz", "", "*.csv", "[ab].csv*"):
        assert problems(tmp_path / place) == []


@pytest.mark.parametrize("format", ["csv", "parquet", "delta"])
@pytest.mark.parametrize("path", ["no/such/file.csv", "no*.csv", "pyspark:no/such/file"])
def test_a_path_where_nothing_lies(tmp_path: Path, path: str, format: str) -> None:
    found = problem(path if ":" in path else tmp_path / path, format=format)

    assert isinstance(found, ConfigError)
    assert found.subject == "source.path"
    assert path in found.found
    assert "--set source.path" in found.hint


def test_a_remote_path_is_left_to_the_job() -> None:
    assert problems("s3a://bucket/ratings.csv") == []


@pytest.mark.parametrize("separator", ["::", "\t", "|", ";"])
def test_a_wrong_separator_is_guessed_from_the_line_that_stays_whole(tmp_path: Path, separator: str) -> None:
    file = stored(tmp_path / "ratings.csv", SOUND.replace(",", separator))

    found = problem(file)

    assert isinstance(found, ConfigError)
    assert found.subject == "source.separator"
    assert "','" in found.found
    assert repr(HEADER.strip().replace(",", separator)) in found.found
    assert problems(file, separator=separator) == []


def test_a_tab_may_be_written_as_backslash_t(tmp_path: Path) -> None:
    assert problems(stored(tmp_path / "ratings.tsv", SOUND.replace(",", "\t")), separator="\\t") == []


def test_a_misspelt_column_is_told_with_those_there_are(tmp_path: Path) -> None:
    found = problem(stored(tmp_path / "ratings.csv", SOUND), {**ROLES, "rating": "ratng"})

    assert found.subject == "source.columns.rating"
    assert found.found == "'ratng'"
    assert "user_id, item_id, rating" in found.hint


def test_names_without_a_header_are_told_to_be_positions(tmp_path: Path) -> None:
    found = problems(stored(tmp_path / "ratings.csv", "ann,1,4\n"), header=False)

    assert {error.found for error in found} == {"'user_id'", "'item_id'", "'rating'"}
    assert all("by position" in error.hint for error in found)


def test_a_position_beyond_the_last_column_is_told(tmp_path: Path) -> None:
    roles: dict[str, ColumnRef | None] = {"user": 0, "item": 2, "rating": 3}
    found = problem(stored(tmp_path / "ratings.csv", "ann,1,4\n"), roles, header=False)

    assert found.subject == "source.columns.rating"
    assert "0 to 2" in found.expected


@pytest.mark.parametrize("content", ["", "\n", " \n\n"])
def test_an_empty_file(tmp_path: Path, content: str) -> None:
    found = problem(stored(tmp_path / "ratings.csv", content))

    assert isinstance(found, DataError)
    assert found.subject == "source.path"
    assert "empty" in found.found


def test_an_empty_file_among_others_does_not_matter(tmp_path: Path) -> None:
    stored(tmp_path / "a.csv", "")
    stored(tmp_path / "b.csv", SOUND)

    assert problems(tmp_path) == []


WHOLE = gzip.compress(SOUND.encode())
DAMAGED = bytearray(gzip.compress("".join(f"{i},{i * 7919 % 1000},3\n" for i in range(5000)).encode()))
DAMAGED[40:400] = bytes(360)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(WHOLE[:5], id="cut within its head"),
        pytest.param(WHOLE[:-9], id="cut within its end"),
        pytest.param(SOUND.encode(), id="no gzip"),
        pytest.param(bytes(DAMAGED), id="damaged"),
    ],
)
def test_a_gzip_file_that_is_cut_short_damaged_or_none(tmp_path: Path, content: bytes) -> None:
    found = problem(stored(tmp_path / "ratings.csv.gz", content))

    assert isinstance(found, DataError)
    assert found.subject == "source.path"
    assert found.expected == "a sound gzip file"
    assert "ratings.csv.gz" in found.found


def test_a_wrong_encoding_is_told_with_another_one(tmp_path: Path) -> None:
    file = stored(tmp_path / "ratings.csv", (HEADER + "Zoë,1,4\n").encode("ISO-8859-1"))

    found = problem(file)

    assert isinstance(found, DataError)
    assert found.expected == "text in UTF-8"
    assert "source.encoding" in found.hint
    assert problems(file, encoding="latin-1") == []


def test_compressed_text_that_only_spark_opens_is_left_to_the_job(tmp_path: Path) -> None:
    assert problems(stored(tmp_path / "ratings.csv.zst", b"\x28\xb5\x2f\xfd\xff\xff")) == []


def test_parquet_is_judged_by_the_columns_of_all_its_files(tmp_path: Path) -> None:
    pq.write_table(pa.table({"user_id": [1], "item_id": [2]}), tmp_path / "a.parquet")
    assert problem(tmp_path, format="parquet").subject == "source.columns.rating"

    pq.write_table(pa.table({"user_id": [1], "rating": [2]}), tmp_path / "b.parquet")
    assert problems(tmp_path, format="parquet") == []


def test_columns_in_the_names_of_folders_count_for_parquet(tmp_path: Path) -> None:
    (tmp_path / "rating=4").mkdir()
    pq.write_table(pa.table({"user_id": [1], "item_id": [2]}), tmp_path / "rating=4" / "a.parquet")

    assert problems(tmp_path, format="parquet") == []


def test_what_is_no_parquet_and_no_delta(tmp_path: Path) -> None:
    stored(tmp_path / "ratings.csv", SOUND)

    for format, expected in (("parquet", "Parquet"), ("delta", "a Delta table")):
        found = problem(tmp_path, format=format)
        assert found.subject == "source.path"
        assert found.expected == expected


TEXTS = {
    "plain": (SOUND, {}),
    "a byte order mark": ("\ufeff" + SOUND, {}),
    "quoted names": ('"user_id","item, or ""book""",rating\na,b,c\n', {}),
    "blank and repeated names": (",user_id,rating,Rating,\n1,2,3,4,5\n", {}),
    "blanks around names": (" user_id , item_id,rating \na,b,c\n", {}),
    "blank lines before it": ("\n\n" + SOUND, {}),
    "CR LF": (SOUND.replace("\n", "\r\n"), {}),
    "two characters": (SOUND.replace(",", "::"), {"separator": "::"}),
    "no header": ("1|2|3|4\n", {"separator": "|", "header": False}),
    "no quotation mark": ('a"b,"c\n1,2\n', {"quote": ""}),
    "Latin-1": ("Zoë,é\n1,2\n".encode("ISO-8859-1"), {"encoding": "ISO-8859-1"}),
    "names only": (HEADER, {}),
}


@pytest.mark.parametrize("case", TEXTS)
def test_the_first_look_agrees_with_spark_on_the_names_of_the_columns(
    spark: SparkSession, tmp_path: Path, case: str
) -> None:
    content, settings = TEXTS[case]
    file = stored(tmp_path / "ratings.csv", content)
    names = open_table(spark, TableSource(path=str(file), **settings), "source").drop(*EXTRA_COLUMNS).columns

    assert problems(file, dict(zip(names, names, strict=True)), **settings) == []
    by_position = [error.expected for error in problems(file, {"user": len(names)}, **settings)]
    assert by_position == [f"a position from 0 to {len(names) - 1}"]
