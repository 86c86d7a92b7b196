"""The list of forgotten users, and what ingest does with rows that name one."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from recsys_spark.errors import DataError
from recsys_spark.ingest import candidate_pairs, exclusions
from recsys_spark.ingest.forgotten import Forgotten, emptied, emptied_lines, without_forgotten, without_lines
from recsys_spark.ingest.settings import ExclusionColumns, ExclusionsSource, PairColumns, PairsSource
from recsys_spark.schemas import PinnedIds
from recsys_spark.storage import Folder

LIST = Forgotten.empty().joined_by(["bob", "a b", "7", "Zoë"])


@given(st.text(max_size=20))
def test_every_id_that_joins_is_named_whatever_the_blanks_around_it(user_id: str) -> None:
    joined = LIST.joined_by([user_id])

    assert joined.names(f" {user_id}\t")
    assert joined.names(user_id)
    assert LIST.hashes < joined.hashes or LIST.names(user_id)


def test_the_stored_list_is_the_list_and_holds_no_id(tmp_path: Path) -> None:
    state = Folder(str(tmp_path))
    assert Forgotten.load(state) is None
    LIST.save(state)

    assert Forgotten.load(state) == LIST
    assert not LIST.finished
    assert "bob" not in (tmp_path / "forgotten.json").read_text()


def test_two_outputs_have_other_hashes_of_the_same_id() -> None:
    assert Forgotten.empty().hash_of("bob") != Forgotten.empty().hash_of("bob")


def test_the_digest_tells_lists_apart_and_not_whether_one_is_finished() -> None:
    assert LIST.digest == LIST.done().digest != LIST.joined_by(["new"]).digest


LINES = {
    "bob::7x::3": True,
    '1,"a b",2': True,
    "Zoë|1": True,
    "1::Zoë::": True,
    "bobby::17::3": False,
    "bo-b, xbob": False,
    "a::b": False,
    "": False,
}
"""Lines that cannot be split, and whether they name one of the list."""


def test_lines_are_judged_alike_in_python_and_in_sql(spark: SparkSession) -> None:
    rows = spark.createDataFrame([(line,) for line in (*LINES, None)], "line string")

    kept = {row["line"] for row in without_lines(rows, "line", LIST).collect()}

    assert {line: LIST.named_in(line) for line in LINES} == LINES
    assert kept == {line for line, named in LINES.items() if not named} | {None}


def test_hashes_of_columns_are_those_of_ids(spark: SparkSession) -> None:
    texts = spark.createDataFrame([("bob",), (" bob\t",), ("bobby",), ("Zoë",), (None,)], "id string")
    numbers = spark.createDataFrame([(7,), (77,), (None,)], "id bigint")

    assert [row["id"] for row in without_forgotten(texts, "id", LIST).collect()] == ["bobby", None]
    assert [row["id"] for row in without_forgotten(numbers, "id", LIST).collect()] == [77, None]
    assert without_forgotten(texts, "id", None).count() == 5


def test_of_a_row_nothing_is_kept_but_its_origin_and_of_others_everything(spark: SparkSession) -> None:
    schema = "user string, item string, rating double, _malformed string, _origin string, reason string"
    rows = spark.createDataFrame(
        [
            ("bob", "1", 3.0, None, "file", None),
            (" bob", "1", None, None, "file", "rating_missing"),
            (None, None, None, "x::bob", "file", "malformed_row"),
            (None, None, None, "x::rob", "file", "malformed_row"),
            ("ann", "7", 3.0, None, "file", None),
        ],
        schema,
    )

    done = emptied_lines(emptied(rows, "forgotten", LIST), "forgotten", LIST)

    blank = (None, None, None, None, "file", "forgotten")
    order = [name.split()[0] for name in schema.split(", ")]
    found = sorted((tuple(row[name] for name in order) for row in done.collect()), key=str)
    assert found == sorted(
        [blank] * 3 + [(None, None, None, "x::rob", "file", "malformed_row"), ("ann", "7", 3.0, None, "file", None)],
        key=str,
    )


def test_an_exclusion_of_a_forgotten_user_is_one_of_nobody(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "exclude.csv").write_text("user,item,until\nbob,1,never\nbob,1,\nann,1,\n")
    columns = ExclusionColumns(user="user", item="item", until="until")
    source = ExclusionsSource(path=str(tmp_path / "exclude.csv"), columns=columns)
    work = Folder(str(tmp_path / "work"))

    with pytest.raises(DataError):
        exclusions.check_and_store(spark, source, date(2024, 1, 1), work)
    exclusions.check_and_store(spark, source, date(2024, 1, 1), work, LIST)

    users = spark.createDataFrame([("ann", 0)], "id string, index int")
    items = spark.createDataFrame([("1", 0)], "id string, index int")
    counts = exclusions.encode_and_store(spark, users, items, work)
    assert (counts.read, counts.over, counts.unknown, counts.barred) == (3, 1, 1, 1)
    assert {row["user"] for row in spark.read.parquet(str(work / "exclusions")).collect()} == {None, "ann"}


def test_pairs_of_a_forgotten_user_are_not_asked_about(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("user,item\nbob,1\nann,1\n bob,2\n")
    source = PairsSource(path=str(tmp_path / "pairs.csv"), columns=PairColumns(user="user", item="item"))
    target = Folder(str(tmp_path / "pairs"))

    read = candidate_pairs.check_and_store(spark, source, PinnedIds("string", "string"), target, LIST)

    assert read == 1
    assert [row["user_id"] for row in spark.read.parquet(str(target)).collect()] == ["ann"]
