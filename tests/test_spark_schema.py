"""Frames conform to the declared schemas or are refused, with everything that is wrong."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from recsys_spark.errors import DataError
from recsys_spark.schemas import RATINGS, TABLES, PinnedIds, TableSchema
from recsys_spark.spark_schema import conform, from_arrow, to_spark

IDS = PinnedIds(user="long", item="string")
SCHEMA = RATINGS.arrow(IDS)

ROW = """SELECT CAST(1 AS BIGINT) AS user_id, 'a' AS item_id, 0 AS user_index, 0 AS item_index,
    CAST(4 AS FLOAT) AS rating, TIMESTAMP '2024-01-01' AS timestamp, 'train' AS part"""


@pytest.fixture(scope="module")
def ratings(spark: SparkSession) -> DataFrame:
    return spark.sql(ROW)


def test_columns_come_in_the_order_of_the_schema_with_its_comments_and_no_others(ratings: DataFrame) -> None:
    turned = ratings.select("part", "rating", "item_id", "user_id", "timestamp", "item_index", "user_index")

    found = conform(turned.selectExpr("*", "1 AS further"), SCHEMA)

    assert found.columns == SCHEMA.names
    assert found.collect() == ratings.collect()
    comments = {field.name: field.metadata["comment"] for field in found.schema}
    assert comments == {column.name: column.comment for column in RATINGS.columns}


def test_every_missing_and_every_wrong_column_is_named_at_once(ratings: DataFrame) -> None:
    wrong = ratings.drop("part", "timestamp").selectExpr("* EXCEPT (rating)", "CAST(rating AS DOUBLE) AS rating")

    with pytest.raises(DataError) as raised:
        conform(wrong.selectExpr("* EXCEPT (user_id)", "'7' AS user_id"), SCHEMA)

    assert raised.value.subject == "ratings"
    for text in (
        "part (missing instead of string)",
        "timestamp (missing instead of timestamp)",
        "rating (double instead of float)",
        "user_id (string instead of bigint)",
    ):
        assert text in raised.value.found
    assert "item_id" not in raised.value.found


def test_a_null_fails_the_write_unless_the_schema_allows_it(ratings: DataFrame, tmp_path: Path) -> None:
    allowed = ratings.selectExpr("* EXCEPT (timestamp)", "CAST(NULL AS TIMESTAMP) AS timestamp")
    conform(allowed, SCHEMA).write.parquet(str(tmp_path / "allowed"))

    refused = ratings.selectExpr("* EXCEPT (part)", "CAST(NULL AS STRING) AS part")
    with pytest.raises((PySparkException, Py4JJavaError), match=r"ratings\.part: null where none is allowed"):
        conform(refused, SCHEMA).write.parquet(str(tmp_path / "refused"))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@pytest.mark.parametrize("ids", [PinnedIds(user="long", item="string"), PinnedIds(user="string", item="long")], ids=str)
def test_every_declared_table_has_spark_types_and_an_empty_frame_of_them_conforms(
    spark: SparkSession, table: TableSchema, ids: PinnedIds
) -> None:
    schema = table.arrow(ids)
    types = to_spark(schema)

    assert [field.nullable for field in types] == [column.nullable for column in table.columns]
    assert all(field.metadata["comment"] for field in types)
    by_name = {field.name: field.dataType.simpleString() for field in types}
    for side in ("user", "item"):
        expected = {"long": "bigint", "string": "string"}[getattr(ids, side)]
        assert by_name.get(f"{side}_id", expected) == expected
    conformed = conform(spark.createDataFrame([], types), schema)
    assert conformed.dtypes == list(by_name.items())


def test_a_schema_without_a_name_or_comments_is_enforced_too(spark: SparkSession) -> None:
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False)])

    assert [row["id"] for row in conform(spark.range(2), schema).collect()] == [0, 1]
    with pytest.raises(DataError, match="table"):
        conform(spark.sql("SELECT 1 AS other"), schema)


@pytest.mark.parametrize("rows", [0, 2])
def test_a_table_of_the_driver_becomes_a_frame_of_its_types_whether_it_has_rows_or_not(
    spark: SparkSession, rows: int
) -> None:
    table = pa.table({"item_index": pa.array(range(rows), pa.int32()), "title": pa.array(["a"] * rows, pa.string())})

    frame = from_arrow(spark, table)

    assert frame.dtypes == [("item_index", "int"), ("title", "string")]
    assert frame.toArrow().to_pylist() == table.to_pylist()
