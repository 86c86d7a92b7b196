"""Delta tables: one folder each, one commit for each change."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

from recsys_spark.schemas import PinnedIds, TableSchema
from recsys_spark.spark_schema import conform
from recsys_spark.storage import Folder


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
        kept = [
            r["run_id"] for r in older.where(f"run_id != '{run_id}'").orderBy("run_id", ascending=False).head(keep - 1)
        ]
        kept_list = ", ".join(f"'{name}'" for name in kept)
        # one commit adds the new run and drops those that are too old
        self._write(
            table, rows, mode="overwrite", replaceWhere=f"run_id NOT IN ({kept_list})" if kept else "run_id IS NOT NULL"
        )

    def append(self, table: TableSchema, rows: DataFrame) -> None:
        """See `Sink.append`."""
        self._write(table, rows, mode="append")

    def publish(self, table: TableSchema, rows: DataFrame) -> None:
        """See `Sink.publish`."""
        self.replace(table, rows)

    def publish_alone(self, table: TableSchema, rows: DataFrame) -> None:
        """See `Sink.publish_alone`."""
        self.replace(table, rows)

    def forget_old(self, keep: int) -> None:
        """Nothing: files that no version needs are the business of VACUUM, after its time of grace."""

    def _exists(self, table: TableSchema) -> bool:
        return (self._output / table.name / "_delta_log").exists()

    def _write(
        self, table: TableSchema, rows: DataFrame, *, mode: str, partition_by: str | None = None, **options: str
    ) -> None:
        writer = conform(rows, table.arrow(self._ids)).write.format("delta").mode(mode)
        if partition_by is not None:
            writer = writer.partitionBy(partition_by)
        # the commit names its run, so that a table's history can be read beside the ledger
        writer.options(**options, userMetadata=f"run_id={self._run_id}").save(self.location(table))
