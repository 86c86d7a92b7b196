"""Who belongs to which segment, and what the users of a segment may get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.errors import DataError
from recsys_spark.ingest.encoding import typed_id
from recsys_spark.ingest.settings import EligibleSource
from recsys_spark.ingest.sources import column_of, open_table
from recsys_spark.ingest.sources.failures import SPARK_FAILURES, cannot_read
from recsys_spark.kernels.arrays import I32
from recsys_spark.kernels.segments import Segments

SECTION = "scoring.segments.table"

EVERYTHING = -1
"""Instead of a segment: of users who may get all candidates."""


@dataclass(frozen=True, eq=False)
class Eligible:
    """The eligible items of each segment by name; on the driver, 4 bytes for each segment and eligible item."""

    names: tuple[str, ...]
    segments: Segments


def eligible_of(found: Mapping[str, I32]) -> Eligible:
    """From the items of each segment by its name. One more segment, which nobody names, has none."""
    offsets = np.cumsum([0, *(len(items) for items in found.values()), 0]).astype(np.int64)
    items = np.concatenate([np.empty(0, np.int32), *found.values()]).astype(np.int32)
    return Eligible(tuple(found), Segments(offsets, items))


def read_eligible(spark: SparkSession, source: EligibleSource, items: DataFrame) -> tuple[Eligible, int]:
    """The eligible items of each segment, from a table.

    Args:
        spark: the session.
        source: the settings of the table.
        items: `item_id`, `item_index` of all items.

    Returns:
        The items, and how many rows name an unknown one. The driver collects the known rows, 8 bytes each.

    Raises:
        DataError: the table cannot be read to its end, or a row has no segment or no item.
    """
    table = open_table(spark, source, SECTION)
    rows = table.select(
        column_of(table, source.columns.segment, f"{SECTION}.columns.segment").alias("segment"),
        column_of(table, source.columns.item, f"{SECTION}.columns.item").alias("item"),
        "_malformed",
    )
    known = items.select("item_id", "item_index")
    unusable = F.col("_malformed").isNotNull() | _blank("segment") | _blank("item")
    typed = rows.withColumn("item_id", typed_id("item", known)).withColumn("unusable", unusable)
    joined = typed.join(known, on="item_id", how="left").cache()
    try:
        counts = joined.agg(
            F.count_if("unusable").alias("unusable"), F.count_if(F.col("item_index").isNull()).alias("unknown")
        ).collect()[0]
        if counts["unusable"]:
            raise DataError(
                SECTION,
                expected="a segment and an item in every row",
                found=f"{counts['unusable']:,} rows without one of them",
                hint=f"mend the rows, or drop them by {SECTION}.where",
            )
        pairs = joined.where(F.col("item_index").isNotNull()).select("segment", "item_index")
        names = sorted(row["segment"] for row in pairs.select("segment").distinct().collect())
        number = spark.createDataFrame(list(enumerate(names)), "number int, segment string")
        found = pairs.join(F.broadcast(number), on="segment", how="inner").select("number", "item_index").toArrow()
    except SPARK_FAILURES as error:
        raise cannot_read(SECTION, source, error) from error
    finally:
        joined.unpersist()
    numbers, indices = found["number"].to_numpy(), found["item_index"].to_numpy()
    order = np.argsort(numbers, kind="stable")
    ends = np.searchsorted(numbers[order], np.arange(len(names) + 1))
    segments = Segments(np.append(ends, len(order)).astype(np.int64), indices[order].astype(np.int32))
    return Eligible(tuple(names), segments), int(counts["unknown"])


def segment_of_users(users: DataFrame, column: str, names: Sequence[str], *, n_users: int, others: str) -> I32:
    """The segment of every user, by index.

    Args:
        users: `user_index`, `attributes`, a map of text.
        column: the attribute that holds the segment.
        names: the segments that there are.
        n_users: of the vocabulary.
        others: `all`: users of no such segment may get everything; `none`: they get nothing.

    Returns:
        i32[n_users], positions in `names`; for the others `EVERYTHING`, or the segment behind all of them, which is
        empty. The driver collects 8 bytes for each user of a segment.
    """
    spark = users.sparkSession
    number = spark.createDataFrame(list(enumerate(names)), "number int, segment string")
    told = users.select("user_index", F.col("attributes")[column].alias("segment"))
    found = told.join(F.broadcast(number), on="segment", how="inner").select("user_index", "number").toArrow()
    segment = np.full(n_users, EVERYTHING if others == "all" else len(names), np.int32)
    segment[found["user_index"].to_numpy()] = found["number"].to_numpy()
    return segment


def _blank(column: str) -> Column:
    return F.coalesce(F.trim(column) == "", F.lit(True))
