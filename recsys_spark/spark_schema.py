"""The declared schemas in Spark's types, and their enforcement on a DataFrame."""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_type
from pyspark.sql.types import StructField, StructType

from recsys_spark.schemas import require_columns


def to_spark(schema: pa.Schema) -> StructType:
    """A pyarrow schema as Spark's, with the columns' comments."""
    return StructType(
        [StructField(field.name, from_arrow_type(field.type), field.nullable, _comment(field)) for field in schema]
    )


def from_arrow(spark: SparkSession, table: pa.Table) -> DataFrame:
    """A table of the driver as a frame, also one without rows: Spark Connect does not look at its types by itself."""
    return spark.createDataFrame(table, to_spark(table.schema) if table.num_rows == 0 else None)


def conform(frame: DataFrame, schema: pa.Schema) -> DataFrame:
    """The frame with exactly the schema's columns, in its order and with its comments.

    Args:
        frame: has at least the schema's columns, in its types.
        schema: what the frame must be.

    Returns:
        The frame's rows. A null where the schema allows none fails the job that reads it.

    Raises:
        DataError: a column is missing or of another type; all such columns are named.
    """
    table = (schema.metadata or {}).get(b"name", b"table").decode()
    types = {field.name: field.dataType.simpleString() for field in to_spark(schema)}
    require_columns(table, schema, dict(frame.dtypes), types=types)
    return frame.select(*(_checked(table, field).alias(field.name, metadata=_comment(field)) for field in schema))


def _checked(table: str, field: pa.Field) -> Column:
    column = F.col(f"`{field.name}`")
    if field.nullable:
        return column
    complaint = F.raise_error(F.lit(f"{table}.{field.name}: null where none is allowed"))
    return F.coalesce(column, complaint.cast(from_arrow_type(field.type)))


def _comment(field: pa.Field) -> dict[str, str]:
    return {"comment": (field.metadata or {}).get(b"comment", b"").decode()}
