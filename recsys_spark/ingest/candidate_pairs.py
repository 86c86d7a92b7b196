"""Pairs that somebody wants ranked: a table of user and item.

Every pair comes back in the answer, so a row that cannot be read stops the run: nobody would miss it otherwise. An id
that no source has ever had is no such row; the answer says so of it.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.errors import DataError
from recsys_spark.ingest.encoding import SPARK_TYPES
from recsys_spark.ingest.forgotten import Forgotten, without_forgotten
from recsys_spark.ingest.quality import check_id_types, is_id
from recsys_spark.ingest.settings import PairsSource
from recsys_spark.ingest.sources import column_of, open_table
from recsys_spark.ingest.sources.failures import SPARK_FAILURES, cannot_read
from recsys_spark.schemas import PinnedIds
from recsys_spark.staged import read_staged
from recsys_spark.storage import Folder

SECTION = "pairs"

REASONS = ("malformed_row", "user_missing", "item_missing", "user_id_type", "item_id_type")
"""Why a pair cannot be read."""


def read_pairs(spark: SparkSession, source: PairsSource) -> DataFrame:
    """The table as text: `user`, `item`, `_malformed`, `_origin`."""
    table = open_table(spark, source, SECTION)
    return table.select(
        column_of(table, source.columns.user, f"{SECTION}.columns.user").alias("user"),
        column_of(table, source.columns.item, f"{SECTION}.columns.item").alias("item"),
        "_malformed",
        "_origin",
    )


def check_pairs(rows: DataFrame, ids: PinnedIds) -> DataFrame:
    """Say of each row whether it can be read.

    Args:
        rows: from `read_pairs`.
        ids: the pinned id types.

    Returns:
        `user_id`, `item_id` in their pinned types, and, where the row cannot be read, its `reason` (one of `REASONS`),
        `row` and `file`.
    """
    reason = (
        F.when(F.col("_malformed").isNotNull(), "malformed_row")
        .when(~is_id("user", "string"), "user_missing")
        .when(~is_id("item", "string"), "item_missing")
    )
    judged = check_id_types(rows.withColumn("reason", reason), ids)
    unreadable = F.col("reason").isNotNull()
    return judged.select(
        *(
            F.when(~unreadable, F.col(side).cast(SPARK_TYPES[kind])).alias(f"{side}_id")
            for side, kind in (("user", ids.user), ("item", ids.item))
        ),
        "reason",
        F.when(unreadable, F.coalesce("_malformed", F.to_json(F.struct("user", "item")))).alias("row"),
        F.when(unreadable, F.col("_origin")).alias("file"),
    )


def check_and_store(
    spark: SparkSession, source: PairsSource, ids: PinnedIds, target: Folder, forgotten: Forgotten | None = None
) -> int:
    """Read the table once, check every row, and store all of them, as `check_pairs` gives them.

    Rows of forgotten users are no rows: the answer must not name them.

    Returns:
        How many rows there are, repeated pairs included. The driver collects one row.

    Raises:
        ConfigError: there is no such table or column.
        DataError: the table cannot be read to its end, has no row, or some of its rows cannot be read.
    """
    pairs = without_forgotten(read_pairs(spark, source), "user", forgotten)
    try:
        check_pairs(pairs, ids).write.mode("overwrite").parquet(str(target))
    except SPARK_FAILURES as error:
        raise cannot_read(SECTION, source, error) from error
    found = (
        read_staged(spark, target)
        .agg(
            *(F.count_if(F.col("reason") == reason).alias(reason) for reason in REASONS),
            F.count(F.lit(1)).alias("rows"),
            F.min(F.when(F.col("reason").isNotNull(), F.struct("row", "file"))).alias("example"),
        )
        .collect()[0]
    )
    if not found["rows"]:
        raise DataError(SECTION, expected="at least one pair", found=f"none in '{source.place}'")
    reasons = {reason: found[reason] for reason in REASONS if found[reason]}
    if reasons:
        told = ", ".join(f"{reason} {n:,}" for reason, n in reasons.items())
        raise DataError(
            SECTION,
            expected=f"a user ({ids.user}) and an item ({ids.item}) in every row",
            found=f"{sum(reasons.values()):,} of {found['rows']:,} rows that are not so ({told}), "
            f"such as {found['example']['row']} in {found['example']['file']}",
            hint=f"every pair given comes back, so none may be lost: mend the rows, or drop them by {SECTION}.where",
        )
    return int(found["rows"])
