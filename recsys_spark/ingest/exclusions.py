"""Pairs that must not be published: a table of user, item and, where it has one, the end of the exclusion.

An exclusion that cannot be read stops the run, because nobody would miss it in a list. One that names a user or an item
that nobody knows does no harm: it is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.errors import DataError
from recsys_spark.ingest.encoding import encode
from recsys_spark.ingest.forgotten import Forgotten, with_forgotten
from recsys_spark.ingest.quality import is_id
from recsys_spark.ingest.reconcile import stored_rows
from recsys_spark.ingest.settings import ExclusionsSource
from recsys_spark.ingest.sources import column_of, open_table
from recsys_spark.ingest.sources.failures import SPARK_FAILURES, cannot_read
from recsys_spark.run import end_of
from recsys_spark.staged import read_staged
from recsys_spark.storage import Folder

SECTION = "scoring.exclude"

REASONS = ("malformed_row", "user_missing", "item_missing", "until_unparsable")
"""Why an exclusion cannot be read."""

# whole dates only: Spark would read 2026 and 2026-01 as the first of January, and take any text behind a date
_DATE = r"^\s*[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}\s*\z"
_MOMENT = r"^\s*[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}[ T][0-9]"


@dataclass(frozen=True)
class ExclusionCounts:
    """The books of an exclusion table: rows read = over + unknown + barred."""

    read: int
    over: int
    """Whose `until` has passed."""

    unknown: int
    """In force, but the user or the item is in no vocabulary (anymore) or its id is not of the pinned type."""

    @property
    def barred(self) -> int:
        """Rows that bar a pair."""
        return self.read - self.over - self.unknown

    def __str__(self) -> str:
        return (
            f"{self.read:,} rows read, {self.barred:,} bar a pair, {self.over:,} are over, "
            f"{self.unknown:,} name an unknown user or item"
        )


def read_exclusions(spark: SparkSession, source: ExclusionsSource) -> DataFrame:
    """The table as text: `user`, `item`, `until_text`, `_malformed`, `_origin`."""
    table = open_table(spark, source, SECTION)
    columns = source.columns
    until = F.lit(None).cast("string")
    if columns.until is not None:
        until = column_of(table, columns.until, f"{SECTION}.columns.until")
    return table.select(
        column_of(table, columns.user, f"{SECTION}.columns.user").alias("user"),
        column_of(table, columns.item, f"{SECTION}.columns.item").alias("item"),
        until.alias("until_text"),
        "_malformed",
        "_origin",
    )


def check_exclusions(rows: DataFrame, as_of: date) -> DataFrame:
    """Say of each row whether it can be read, and whether it is in force.

    Args:
        rows: from `read_exclusions`.
        as_of: the business date. A row is in force without an `until`, or if that is not before the end of this day,
            UTC; a plain date lasts to its own end, a timestamp is a moment.

    Returns:
        The same rows with `reason` (one of `REASONS`; null: it can be read) and `in_force`.
    """
    date_text = F.when(F.col("until_text").rlike(_DATE), F.col("until_text"))
    moment_text = F.when(F.col("until_text").rlike(_MOMENT), F.col("until_text"))
    last_day, moment = date_text.try_cast("date"), moment_text.try_cast("timestamp")
    given = F.coalesce(F.trim("until_text") != "", F.lit(False))
    reason = (
        F.when(F.col("_malformed").isNotNull(), "malformed_row")
        .when(~is_id("user", "string"), "user_missing")
        .when(~is_id("item", "string"), "item_missing")
        .when(given & last_day.isNull() & moment.isNull(), "until_unparsable")
    )
    lasts = F.coalesce(last_day >= F.lit(as_of), moment >= F.lit(end_of(as_of)), F.lit(False))
    return rows.withColumns({"reason": reason, "in_force": ~given | lasts})


def check_and_store(
    spark: SparkSession, source: ExclusionsSource, as_of: date, folder: Folder, forgotten: Forgotten | None = None
) -> None:
    """Read the table once, check every row, and store all of them; those of forgotten users as ones that nobody knows.

    The driver collects one row.

    Raises:
        ConfigError: there is no such table or column.
        DataError: the table cannot be read to its end, or some of its rows cannot.
    """
    place = folder / "exclusions"
    rows = check_exclusions(read_exclusions(spark, source), as_of)
    if forgotten is not None:
        known = with_forgotten(rows, "user", forgotten)
        empty = {name: F.when(~F.col("_forgotten"), F.col(name)) for name in ("user", "item", "until_text", "reason")}
        rows = known.withColumns(empty).drop("_forgotten")
    try:
        rows.write.mode("overwrite").parquet(str(place))
    except SPARK_FAILURES as error:
        raise cannot_read(SECTION, source, error) from error
    shown = F.to_json(F.struct("user", "item", F.col("until_text").alias("until")))
    example = F.struct(F.coalesce("_malformed", shown).alias("row"), F.col("_origin").alias("file"))
    found = (
        read_staged(spark, place)
        .agg(
            *(F.count_if(F.col("reason") == reason).alias(reason) for reason in REASONS),
            F.count(F.lit(1)).alias("rows"),
            F.min(F.when(F.col("reason").isNotNull(), example)).alias("example"),
        )
        .collect()[0]
    )
    reasons = {reason: found[reason] for reason in REASONS if found[reason]}
    if reasons:
        told = ", ".join(f"{reason} {n:,}" for reason, n in reasons.items())
        raise DataError(
            SECTION,
            expected="a user and an item in every row, and an 'until' that is empty, a date or an ISO 8601 timestamp",
            found=f"{sum(reasons.values()):,} of {found['rows']:,} rows that are not so ({told}), "
            f"such as {found['example']['row']} in {found['example']['file']}",
            hint=f"an exclusion that cannot be read must not be lost: mend the rows, or drop them by {SECTION}.where",
        )


def encode_and_store(spark: SparkSession, users: DataFrame, items: DataFrame, folder: Folder) -> ExclusionCounts:
    """Store the pairs in force as `barred`: `user_index`, `item_index`, repetition allowed.

    Args:
        spark: the session.
        users: from `Vocabulary.read`.
        items: from `Vocabulary.read`.
        folder: where `check_and_store` has left the checked rows.
    """
    checked = read_staged(spark, folder / "exclusions")
    pairs = encode(checked.where("in_force"), users, items).select("user_index", "item_index")
    pairs.write.mode("overwrite").parquet(str(folder / "barred"))
    in_force = checked.where("in_force").count()
    read = stored_rows(folder / "exclusions")
    return ExclusionCounts(read=read, over=read - in_force, unknown=in_force - stored_rows(folder / "barred"))
