"""The lists that readers see, a row each, and what has changed: a Delta table that follows `top_n`.

Every row of `top_n` is new each night, if only for its run; its own feed would name everybody. Here a list is one row,
which is touched only if the list is another than before, to the last bit of a score. A MERGE over all rows would write
every file anew, and readers that infer changes from files would see all of them; so the lists that differ are found
first, and the MERGE is given nothing else.
"""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.layouts import OF_RUN
from recsys_spark.publishing.delta import NO_STATISTICS, is_table, run_named
from recsys_spark.schemas import USER_LISTS, Entries, PinnedIds
from recsys_spark.session import session_settings
from recsys_spark.spark_schema import conform
from recsys_spark.storage import Folder

FEED = {"delta.enableChangeDataFeed": "true"}
"""From the first version on: changes from before would not be known."""

USER_METADATA = "spark.databricks.delta.commitInfo.userMetadata"

NEW, CHANGED, GONE = "lists_new", "lists_changed", "lists_gone"


def lists_of(top_n: DataFrame) -> DataFrame:
    """One row for each list: user_id, variant, items and as_of.

    Args:
        top_n: rows of one run.
    """
    columns = next(column.type for column in USER_LISTS.columns if column.name == "items")
    assert isinstance(columns, Entries)
    # an order of entries is an order of their ranks, which come first
    entries = F.sort_array(F.collect_list(F.struct(*(column.name for column in columns.columns))))
    return top_n.groupBy("user_id", "variant").agg(entries.alias("items"), F.first("as_of").alias("as_of"))


def differences(before: DataFrame, now: DataFrame) -> DataFrame:
    """The lists that are not the same in both: user_id, variant, items and as_of of now (null if gone), and `change`.

    Nulls inside entries equal each other.

    Args:
        before: has user_id, variant, items.
        now: as `lists_of` gives it.
    """
    old, new = before.select("user_id", "variant", "items").alias("old"), now.alias("new")
    same_list = F.col("old.user_id").eqNullSafe(F.col("new.user_id")) & F.col("old.variant").eqNullSafe(
        F.col("new.variant")
    )
    change = F.when(F.col("old.items").isNull(), NEW).when(F.col("new.items").isNull(), GONE).otherwise(CHANGED)
    return (
        old.join(new, same_list, how="full_outer")
        .where(~F.col("old.items").eqNullSafe(F.col("new.items")))
        .select(
            F.coalesce("old.user_id", "new.user_id").alias("user_id"),
            F.coalesce("old.variant", "new.variant").alias("variant"),
            F.col("new.items").alias("items"),
            F.col("new.as_of").alias("as_of"),
            change.alias("change"),
        )
    )


class UserLists:
    """The table.

    Args:
        spark: a session that knows Delta.
        place: the table's folder.
        ids: the pinned types of ids.
    """

    def __init__(self, spark: SparkSession, place: Folder, ids: PinnedIds) -> None:
        self._spark, self._place, self._ids = spark, place, ids

    def reflected_run(self) -> str | None:
        """The run whose lists the table has; none: there is no table yet. Its newest commit that names one tells it."""
        if not is_table(self._place):
            return None
        named = run_named(self._spark, str(self._place))
        return None if named is None else named.removeprefix(OF_RUN)

    def follow(
        self, top_n: DataFrame, *, visible: str, changed_by: str, changed_at: datetime, staged: Folder
    ) -> dict[str, int]:
        """Bring the table to the lists of a run, in one commit.

        Args:
            top_n: rows of the run.
            visible: the run.
            changed_by: the attempt that does it; rows that change are signed with it.
            changed_at: now.
            staged: a folder for what differs; it is empty again afterwards.

        Returns:
            How many lists were new, have changed and are gone.
        """
        now = lists_of(top_n)
        if not is_table(self._place):
            signed = conform(_signed(now, changed_by, changed_at), USER_LISTS.arrow(self._ids))
            options = FEED | NO_STATISTICS | {"userMetadata": f"{OF_RUN}{visible}"}
            signed.write.format("delta").mode("append").options(**options).save(str(self._place))
            return {NEW: self._rows().count(), CHANGED: 0, GONE: 0}
        differences(self._rows(), now).write.mode("overwrite").parquet(str(staged))
        found = self._spark.read.parquet(str(staged))
        counts = {NEW: 0, CHANGED: 0, GONE: 0} | {
            row["change"]: row["count"] for row in found.groupBy("change").count().collect()
        }
        with session_settings(self._spark, {USER_METADATA: f"{OF_RUN}{visible}"}):
            if any(counts.values()):
                self._merge(_signed(found, changed_by, changed_at))
            else:
                # no file changes, but that nothing has changed is known from now on
                self._spark.sql(f"ALTER TABLE delta.`{self._place}` SET TBLPROPERTIES ('recsys.run_id' = '{visible}')")
        staged.delete()
        return counts

    def _merge(self, changes: DataFrame) -> None:
        names = [column.name for column in USER_LISTS.columns]
        # in SQL, which needs no JVM beside the driver; pyspark fills the braces of the text
        place = str(self._place).replace("{", "{{").replace("}", "}}")
        self._spark.sql(
            f"""
            MERGE INTO delta.`{place}` AS old USING {{changes}} AS new
            ON old.user_id = new.user_id AND old.variant <=> new.variant
            WHEN MATCHED AND new.change = '{GONE}' THEN DELETE
            WHEN MATCHED THEN UPDATE SET {", ".join(f"{name} = new.{name}" for name in names)}
            WHEN NOT MATCHED AND new.change <> '{GONE}' THEN
            INSERT ({", ".join(names)}) VALUES ({", ".join(f"new.{name}" for name in names)})
            """,
            changes=changes,
        )

    def _rows(self) -> DataFrame:
        return self._spark.read.format("delta").load(str(self._place))


def _signed(lists: DataFrame, changed_by: str, changed_at: datetime) -> DataFrame:
    return lists.withColumns(
        {
            "changed_run_id": F.lit(changed_by),
            "changed_as_of": F.col("as_of"),
            "changed_at": F.lit(changed_at),
        }
    )
