"""Tables and queries of databases, read by several tasks at once where their rows can be told apart."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DateType, DecimalType, IntegralType, TimestampNTZType, TimestampType

from recsys_spark.connect import is_connect
from recsys_spark.database.address import Address
from recsys_spark.database.connection import connected, primary_key
from recsys_spark.errors import ConfigError
from recsys_spark.ingest.table_source import TableSource

Bound = int | Decimal | date | datetime

MOST_RANGES = 8
"""Connections that a database is asked for by default."""

VALUES_IN_A_RANGE = 500_000

_MICROSECOND = timedelta(microseconds=1)


def read(spark: SparkSession, source: TableSource, place: str) -> DataFrame:
    """Every row, in the types that the database's have in Spark; no row is malformed.

    Asks the database for the names and types of the columns, and for the lowest and highest value of the column whose
    ranges are read at once. Each range is read in a transaction of its own.

    Args:
        spark: the session; over Spark Connect only a column that is named has ranges.
        source: its settings.
        place: what the rows' origin is called.

    Raises:
        ConfigError: the column of the ranges is not there, or has none.
    """
    address = source.address
    relation = source.table or f"({source.query}) AS recsys_rows"
    options = {
        **address.login(),
        "driver": address.dialect.driver,
        "fetchsize": str(source.jdbc.fetch_size),
        # a time without a zone stays what it is, wherever the JVM believes to be
        "preferTimestampNTZ": "true",
    }
    rows = spark.read.jdbc(address.driver_url, relation, properties=options)
    conditions = disjoint(source.jdbc.predicates)
    column = None if conditions else _column_of_ranges(spark, source, address, rows)
    if column is not None:
        name = address.dialect.quoted(column)
        bounds = f"(SELECT MIN({name}) AS low, MAX({name}) AS high FROM {relation}) AS recsys_bounds"
        found = spark.read.jdbc(address.driver_url, bounds, properties=options).head()
        if found is not None and found["low"] is not None:
            low, high = found["low"], found["high"]
            conditions = ranges(name, low, high, source.jdbc.partitions or worth_reading_at_once(low, high))
    if len(conditions) > 1:
        rows = spark.read.jdbc(address.driver_url, relation, predicates=conditions, properties=options)
    return rows.withColumn("_malformed", F.lit(None).cast("string")).withColumn("_origin", F.lit(place))


def disjoint(predicates: Sequence[str]) -> list[str]:
    """Conditions of which each row fulfils exactly one: the given ones, each without those before it, and the rest.

    Example:
        >>> disjoint(("a < 1", "b < 1"))
        ['(a < 1)', '(b < 1) AND (a < 1) IS NOT TRUE', '(a < 1) IS NOT TRUE AND (b < 1) IS NOT TRUE']
    """
    if not predicates:
        return []
    others = [f"({predicate}) IS NOT TRUE" for predicate in predicates]
    each = [" AND ".join([f"({predicate})", *others[:i]]) for i, predicate in enumerate(predicates)]
    return [*each, " AND ".join(others)]


def worth_reading_at_once(low: Bound, high: Bound) -> int:
    """How many ranges there are where nobody says: a connection and its query cost as much as some 100,000 rows."""
    if isinstance(low, date):
        return MOST_RANGES
    return max(1, min(MOST_RANGES, _width(low, high) // VALUES_IN_A_RANGE))


def ranges(name: str, low: Bound, high: Bound, n: int) -> list[str]:
    """Conditions on a column of which each row fulfils exactly one, null and values beyond the bounds among them.

    Args:
        name: of the column, as it stands in SQL.
        low: the lowest value.
        high: the highest value, of the same kind.
        n: conditions, at least 1; there are fewer where there are fewer values.

    Example:
        >>> ranges("id", 1, 9, 3)
        ['(id < 4 OR id IS NULL)', 'id >= 4 AND id < 7', 'id >= 7']
    """
    width = _width(low, high)
    n = min(n, width)
    edges = [_literal(low, width * i // n) for i in range(1, n)]
    if not edges:
        return ["1 = 1"]
    first, last = f"({name} < {edges[0]} OR {name} IS NULL)", f"{name} >= {edges[-1]}"
    between = [f"{name} >= {low} AND {name} < {high}" for low, high in itertools.pairwise(edges)]
    return [first, *between, last]


def _width(low: Bound, high: Bound) -> int:
    """How many values there are from the lowest to the highest."""
    if isinstance(low, datetime) and isinstance(high, datetime):
        return (high - low) // _MICROSECOND + 1
    if isinstance(low, date) and isinstance(high, date):
        return (high - low).days + 1
    assert isinstance(low, int | Decimal)
    assert isinstance(high, int | Decimal)
    return int(high) - int(low) + 1


def _literal(low: Bound, above: int) -> str:
    """The value that many steps above the lowest, as it stands in SQL."""
    if isinstance(low, datetime):
        return f"'{(low + above * _MICROSECOND).isoformat(sep=' ')}'"
    if isinstance(low, date):
        return f"'{(low + timedelta(days=above)).isoformat()}'"
    return str(int(low) + above)


def _column_of_ranges(spark: SparkSession, source: TableSource, address: Address, rows: DataFrame) -> str | None:
    """The column that is named, or the first one of the primary key if it has ranges; none: one task reads."""
    wanted = source.jdbc.partition_column
    if wanted is not None:
        if wanted in rows.columns and _has_ranges(rows.schema[wanted].dataType):
            return wanted
        columns = ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in rows.schema)
        raise ConfigError(
            "jdbc.partition_column",
            expected="a column of whole numbers, dates or times",
            found=f"'{wanted}' ({source.place})",
            hint=f"the columns are: {columns}; conditions on any of them may stand in jdbc.predicates",
        )
    if source.table is None or source.jdbc.partitions == 1 or is_connect(spark):
        # over Spark Connect there is no connection of the driver's own to ask for the key
        return None
    with connected(spark, address) as connection:
        name = primary_key(connection, source.table, address.dialect.quotation_mark)
    return name if name in rows.columns and _has_ranges(rows.schema[name].dataType) else None


def _has_ranges(kind: DataType) -> bool:
    if isinstance(kind, DecimalType):
        return kind.scale == 0
    return isinstance(kind, IntegralType | DateType | TimestampType | TimestampNTZType)
