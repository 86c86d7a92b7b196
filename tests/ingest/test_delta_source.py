"""Delta sources keep the contract, and read the current version only."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from recsys_spark.errors import DataError
from recsys_spark.ingest.sources import open_table
from recsys_spark.ingest.table_source import TableSource
from tests.contracts.source import Columns, FileSourceContract, as_frame


class TestDeltaSource(FileSourceContract):
    format = "delta"

    @classmethod
    def store(cls, spark: SparkSession, folder: Path, columns: Columns) -> None:
        removed = {**columns, "user_id": ["zoe"] * len(columns["user_id"])}
        for version in (removed, columns):
            as_frame(spark, version).coalesce(1).write.format("delta").mode("overwrite").save(str(folder))


def test_a_folder_without_a_delta_log_is_told_in_words(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("user_id,item_id,rating\n1,2,3\n")

    with pytest.raises(DataError) as raised:
        open_table(spark, TableSource(format="delta", path=str(tmp_path)), "source")

    assert raised.value.subject == "source.path"
    assert raised.value.expected == "delta data"
