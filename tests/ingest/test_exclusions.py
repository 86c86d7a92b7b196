"""Excluded pairs: which are in force on a day, and that none is lost because it cannot be read."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from recsys_spark.errors import DataError
from recsys_spark.ingest.exclusions import (
    ExclusionCounts,
    check_and_store,
    check_exclusions,
    encode_and_store,
    read_exclusions,
)
from recsys_spark.ingest.settings import ExclusionColumns, ExclusionsSource
from recsys_spark.storage import Folder

AS_OF = date(2024, 2, 29)
COLUMNS = ExclusionColumns(user="user", item="item", until="until")
AS_READ = "user string, item string, until_text string, _malformed string, _origin string"


def judged(spark: SparkSession, untils: list[str | None], as_of: date = AS_OF) -> dict[str | None, tuple[str, bool]]:
    """The reason and whether it is in force, by `until`."""
    rows = spark.createDataFrame([("ann", "7", until, None, "file:/x") for until in untils], AS_READ).coalesce(1)
    return {r["until_text"]: (r["reason"], r["in_force"]) for r in check_exclusions(rows, as_of).collect()}


def test_an_exclusion_lasts_for_ever_or_to_the_end_of_its_date_or_to_its_moment(spark: SparkSession) -> None:
    in_force = {
        None: True,
        "": True,
        "  ": True,
        "2024-02-28": False,
        "2024-02-29": True,
        " 2024-2-29 ": True,
        "2024-03-01": True,
        "9999-12-31": True,
        "2024-02-29T00:00:00": False,
        "2024-02-29 23:59:59.999999": False,
        "2024-03-01 00:00:00": True,
        "2024-03-01T00:00:00Z": True,
        "2024-03-01 00:30:00+01:00": False,
        "2024-02-29T23:30:00-01:00": True,
    }

    assert judged(spark, list(in_force)) == {until: (None, wanted) for until, wanted in in_force.items()}


def test_an_end_that_is_no_whole_date_and_no_timestamp_cannot_be_read(spark: SparkSession) -> None:
    unreadable: list[str | None] = [
        "soon",
        "2024",
        "2024-03",
        "20240301",
        "1709251200",
        "2024-02-30",
        "2024-03-01 x",
        "2024-03-01T",
        "01/03/2024",
        "null",
    ]

    found = judged(spark, unreadable)

    assert {until: reason for until, (reason, _) in found.items()} == dict.fromkeys(unreadable, "until_unparsable")


@settings(max_examples=4, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(
    as_of=st.dates(date(1999, 1, 1), date(2060, 12, 31)),
    minutes=st.lists(st.integers(-40 * 1440, 40 * 1440), min_size=50, max_size=100),
)
def test_it_is_in_force_exactly_if_its_utc_date_is_later_or_it_is_that_whole_day(
    spark: SparkSession, as_of: date, minutes: list[int]
) -> None:
    midnight = datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC)
    moments = [midnight + timedelta(minutes=m) for m in (*minutes, -1, 0, 1439, 1440)]
    expected: dict[str | None, tuple[None, bool]] = {m.isoformat(): (None, m.date() > as_of) for m in moments}
    expected |= {m.date().isoformat(): (None, m.date() >= as_of) for m in moments}

    assert judged(spark, list(expected), as_of) == expected


def source(path: Path, **given: Any) -> ExclusionsSource:
    return ExclusionsSource(path=str(path), **{"columns": COLUMNS, **given})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("8,9,tomorrow", "until_unparsable"),
        (",9,", "user_missing"),
        ("8,  ,", "item_missing"),
        ("8,9", "malformed_row"),
        ("8,9,,10", "malformed_row"),
    ],
)
def test_a_row_that_cannot_be_read_stops_the_run_and_is_shown(
    spark: SparkSession, tmp_path: Path, line: str, reason: str
) -> None:
    table = tmp_path / "exclusions.csv"
    table.write_text(f"user,item,until\n1,2,\n3,4,2000-01-01\n{line}\n")

    with pytest.raises(DataError, match=r"1 of 3 rows that are not so") as raised:
        check_and_store(spark, source(table), AS_OF, Folder(str(tmp_path / "work")))

    assert f"({reason} 1)" in raised.value.found
    assert "exclusions.csv" in raised.value.found
    assert "scoring.exclude.where" in raised.value.hint
    assert all(field in raised.value.found for field in line.split(",") if field.strip())


def test_dates_and_timestamps_of_a_typed_table_are_what_they_are_as_text(spark: SparkSession, tmp_path: Path) -> None:
    until = "CAST('2024-02-29' AS {})"
    in_force = {}
    for kind in ("DATE", "TIMESTAMP", "TIMESTAMP_NTZ"):
        place = tmp_path / kind
        spark.sql(f"SELECT 1L AS user, 2.0D AS item, {until.format(kind)} AS until").write.parquet(str(place))
        rows = check_exclusions(read_exclusions(spark, source(place, format="parquet")), AS_OF).collect()
        in_force[kind] = [(r["user"], r["item"], r["reason"], r["in_force"]) for r in rows]

    day, moment = [("1", "2", None, True)], [("1", "2", None, False)]
    assert in_force == {"DATE": day, "TIMESTAMP": moment, "TIMESTAMP_NTZ": moment}


def test_pairs_in_force_are_encoded_and_the_books_balance(spark: SparkSession, tmp_path: Path) -> None:
    table, work = tmp_path / "exclusions.csv", Folder(str(tmp_path / "work"))
    known = ["7,b,", "7,b,2025-01-01", "8,a,"]
    unknown = ["9,a,", "8,c,", "007,a,", "x,a,"]
    table.write_text("user,item,until\n" + "\n".join([*known, "7,a,2024-02-28", *unknown]) + "\n")
    check_and_store(spark, source(table), AS_OF, work)

    counts = encode_and_store(spark, vocabulary(spark, "bigint", 7, 8), vocabulary(spark, "string", "a", "b"), work)

    assert counts == ExclusionCounts(read=8, over=1, unknown=4)
    assert counts.barred == 3
    assert str(counts) == "8 rows read, 3 bar a pair, 1 are over, 4 name an unknown user or item"
    barred = spark.read.parquet(str(work / "barred")).select("user_index", "item_index").collect()
    assert sorted(map(tuple, barred)) == [(0, 1), (0, 1), (1, 0)]


def test_a_table_without_rows_bars_nothing(spark: SparkSession, tmp_path: Path) -> None:
    table, work = tmp_path / "exclusions.csv", Folder(str(tmp_path / "work"))
    table.write_text("user,item,until\n")

    check_and_store(spark, source(table), AS_OF, work)
    counts = encode_and_store(spark, vocabulary(spark, "bigint", 7), vocabulary(spark, "bigint", 1), work)

    assert counts == ExclusionCounts(read=0, over=0, unknown=0)
    assert spark.read.parquet(str(work / "barred")).isEmpty()


def vocabulary(spark: SparkSession, kind: str, *ids: object) -> DataFrame:
    return spark.createDataFrame([(id_, place) for place, id_ in enumerate(ids)], f"id {kind}, index int")
