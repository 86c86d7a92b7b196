"""Delta tables: one folder each, one commit for each change.

What has no place in Spark's own interface is asked for in SQL: Delta's Python module needs a JVM beside it, or, over
Spark Connect, a further package on the server.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.layouts import OF_RUN
from recsys_spark.publishing.sink import PARTS_OF_RUNS, Place
from recsys_spark.schemas import TOP_N, PinnedIds, TableSchema
from recsys_spark.spark_schema import conform
from recsys_spark.storage import Folder

NO_STATISTICS = {"delta.dataSkippingNumIndexedCols": "0"}
"""Properties of every table. The log would otherwise keep the least and the greatest id of each file, and with them
users who are to be forgotten; a reader who looks for one user has those of the Parquet files themselves."""


def is_table(folder: Folder) -> bool:
    """Whether something was ever committed to the folder: a kill may leave one that holds files and no commit."""
    return any(name.endswith(".json") for name in (folder / "_delta_log").children())


class DeltaSink:
    """Delta tables under the output folder. Readers need protocol version 1 only: no deletion vectors.

    Args:
        spark: a session that knows Delta.
        output: the output folder.
        ids: the pinned id types.
        run_id: the run that writes.
    """

    def __init__(self, spark: SparkSession, output: Folder, ids: PinnedIds, run_id: str) -> None:
        self._spark, self._output, self._ids, self._run_id = spark, output, ids, run_id

    def read(self, table: TableSchema) -> DataFrame | None:
        """See `Sink.read`."""
        if not self._exists(table):
            return None
        return self._spark.read.format("delta").load(self.location(table))

    def location(self, table: TableSchema) -> str:
        """See `Sink.location`."""
        return str(self._output / table.name)

    def place(self, table: TableSchema) -> Place | None:
        """See `Sink.place`."""
        return Place(self.location(table), by_run=False) if self._exists(table) else None

    def columns(self, table: TableSchema) -> dict[str, str] | None:
        """See `Sink.columns`."""
        rows = self.read(table)
        return None if rows is None else dict(rows.dtypes)

    def replace(self, table: TableSchema, rows: DataFrame) -> None:
        """See `Sink.replace`."""
        self._write(table, rows, mode="overwrite")

    def add_run(self, table: TableSchema, rows: DataFrame, *, run_id: str, keep: int) -> None:
        """See `Sink.add_run`."""
        if not self._exists(table):
            self._write(table, rows, mode="append", partition_by="run_id")
            return
        older = self._spark.read.format("delta").load(self.location(table)).select("run_id").distinct()
        # bounded: `keep` names of runs
        kept = {
            r["run_id"] for r in older.where(f"run_id != '{run_id}'").orderBy("run_id", ascending=False).head(keep - 1)
        }
        kept |= {visible} - {run_id} if (visible := self.visible_run()) is not None else set()
        kept_list = ", ".join(f"'{name}'" for name in sorted(kept))
        # one commit adds the new run and drops those that are too old
        self._write(
            table, rows, mode="overwrite", replaceWhere=f"run_id NOT IN ({kept_list})" if kept else "run_id IS NOT NULL"
        )

    def append(self, table: TableSchema, rows: DataFrame, *, run_id: str | None = None) -> None:
        """See `Sink.append`."""
        self._write(table, rows, mode="append")

    def publish(self, table: TableSchema, rows: DataFrame) -> None:
        """See `Sink.publish`."""
        self.replace(table, rows)

    def publish_again(self, table: TableSchema, rows: DataFrame, *, run_id: str) -> None:
        """See `Sink.publish_again`."""
        self._write(table, rows, mode="overwrite", visible=run_id)

    def publish_alone(self, table: TableSchema, rows: DataFrame) -> None:
        """See `Sink.publish_alone`."""
        self.replace(table, rows)

    def visible_run(self) -> str | None:
        """See `Sink.visible_run`. The newest commit that names a run tells it, so that an empty table has one, too."""
        if not self._exists(TOP_N):
            return None
        named = run_named(self._spark, self.location(TOP_N))
        return None if named is None else named.removeprefix(OF_RUN)

    def discard_run(self, run_id: str) -> None:
        """See `Sink.discard_run`."""
        for table in PARTS_OF_RUNS:
            if self._exists(table):
                self._spark.sql(f"DELETE FROM delta.`{self.location(table)}` WHERE run_id = '{run_id}'")

    def forget_old(self, keep: int) -> None:
        """Nothing: files that no version needs are the business of VACUUM, after its time of grace."""

    def _exists(self, table: TableSchema) -> bool:
        return is_table(self._output / table.name)

    def _write(
        self,
        table: TableSchema,
        rows: DataFrame,
        *,
        mode: str,
        partition_by: str | None = None,
        visible: str | None = None,
        **options: str,
    ) -> None:
        writer = conform(rows, table.arrow(self._ids)).write.format("delta").mode(mode)
        if partition_by is not None:
            writer = writer.partitionBy(partition_by)
        # properties count when the table is made
        writer.options(**NO_STATISTICS)
        # a table of an earlier version of this package may lack a column; the commit names its run, so that a table's
        # history can be read beside the ledger
        metadata = f"{OF_RUN}{visible or self._run_id}"
        writer.options(**options, mergeSchema="true", userMetadata=metadata).save(self.location(table))


def run_named(spark: SparkSession, location: str) -> str | None:
    """What the newest commit of a table that names a run says, `run_id=...`; none: no commit names one."""
    log = spark.sql(f"DESCRIBE HISTORY delta.`{location}`")
    named = log.where(F.col("userMetadata").startswith(OF_RUN)).orderBy("version", ascending=False)
    newest = named.select("userMetadata").head()
    return None if newest is None else str(newest["userMetadata"])
