"""Pairs to rank: all of them are read, and what cannot be read is not lost in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from recsys_spark.errors import DataError
from recsys_spark.ingest.candidate_pairs import check_and_store
from recsys_spark.ingest.settings import PairColumns, PairsSource
from recsys_spark.schemas import PinnedIds
from recsys_spark.storage import Folder

LONG_AND_TEXT = PinnedIds(user="long", item="string")


def stored(spark: SparkSession, folder: Path, text: str, **source: object) -> tuple[int, list[tuple[object, object]]]:
    """How many rows are read, and the pairs of the rows, sorted."""
    (folder / "pairs.csv").write_text(text)
    given = PairsSource(path=str(folder / "pairs.csv"), columns=PairColumns(user="who", item="what"), **source)
    target = Folder(str(folder / "stored"))
    read = check_and_store(spark, given, LONG_AND_TEXT, target)
    rows = spark.read.parquet(str(target))
    return read, sorted((row["user_id"], row["item_id"]) for row in rows.collect())


def test_every_row_is_kept_with_ids_in_their_pinned_types(spark: SparkSession, tmp_path: Path) -> None:
    found = stored(spark, tmp_path, "what,who\n007,8\nb,-9\n007,8\n")

    assert found == (3, [(-9, "b"), (8, "007"), (8, "007")])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",b", "user_missing"),
        ("7, ", "item_missing"),
        ("007,b", "user_id_type"),
        ("ann,b", "user_id_type"),
        ("7", "malformed_row"),
        ("7,b,c", "malformed_row"),
    ],
)
def test_a_row_that_cannot_be_read_stops_the_job_and_is_shown(
    spark: SparkSession, tmp_path: Path, line: str, reason: str
) -> None:
    with pytest.raises(DataError, match=r"1 of 3 rows that are not so") as raised:
        stored(spark, tmp_path, f"who,what\n1,a\n{line}\n2,b\n")

    assert f"({reason} 1)" in raised.value.found
    assert "pairs.csv" in raised.value.found
    assert "pairs.where" in raised.value.hint
    assert all(field in raised.value.found for field in line.split(",") if field.strip())


def test_where_drops_rows_before_they_are_judged(spark: SparkSession, tmp_path: Path) -> None:
    assert stored(spark, tmp_path, "who,what\n1,a\nann,b\n", where="who <> 'ann'") == (1, [(1, "a")])


def test_a_table_without_a_pair_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least one pair"):
        stored(spark, tmp_path, "who,what\n")
