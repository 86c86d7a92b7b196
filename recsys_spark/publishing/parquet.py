"""Plain Parquet: a folder for each run behind a pointer that is replaced atomically.

published/<run_id>/<table>/   what `publish` makes visible all at once
current.json                  names the visible run and the folder of each table
current -> published/<run_id> the same for people and tools, where the file system has symbolic links
<table>/run_id=<run_id>/      tables with a part for each run
<table>/<run_id>/             of tables that belong to no night, each with a pointer and a link of its own
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_type

from recsys_spark.layouts import POINTER
from recsys_spark.publishing.sink import PARTS_OF_RUNS, Place
from recsys_spark.schemas import PinnedIds, TableSchema
from recsys_spark.spark_schema import conform, to_spark
from recsys_spark.storage import Folder

LINK = "current"

KEPT_ALONE = 2
"""Runs of a table that belongs to no night: the visible one, and the one before, which somebody may be reading."""


class ParquetSink:
    """Parquet folders under the output folder.

    Args:
        spark: any session.
        output: the output folder.
        ids: the pinned id types.
        run_id: the run that writes.
    """

    def __init__(self, spark: SparkSession, output: Folder, ids: PinnedIds, run_id: str) -> None:
        self._spark, self._output, self._ids, self._run_id = spark, output, ids, run_id

    def read(self, table: TableSchema) -> DataFrame | None:
        """See `Sink.read`."""
        place, schema = self.place(table), to_spark(table.arrow(self._ids))
        if place is None:
            return None
        # Spark puts the column of the parts last
        return self._spark.read.schema(schema).parquet(place.location).select(*schema.names)

    def location(self, table: TableSchema) -> str:
        """See `Sink.location`."""
        inside = self._published / table.name
        if inside.exists():
            return str(inside)
        return str(self._visible_alone(table) or self._output / table.name)

    def place(self, table: TableSchema) -> Place | None:
        """See `Sink.place`."""
        pointer = self._output.read_json(POINTER) or {"tables": {}}
        inside = pointer["tables"].get(table.name)
        if inside is not None:
            return Place(str(self._output / inside), by_run=False)
        alone = self._visible_alone(table)
        if alone is not None:
            return Place(str(alone), by_run=False)
        parts = self._output / table.name
        return Place(str(parts), by_run=True) if parts.exists() else None

    def columns(self, table: TableSchema) -> dict[str, str] | None:
        """See `Sink.columns`. Of a table with a part for each run the newest one tells them."""
        place = self.place(table)
        if place is None:
            return None
        parts = Folder(place.location)
        newest = self._runs_of(parts)[-1:] if place.by_run else []
        folder = parts / newest[0] if newest else parts
        files = folder.parquet_files()
        if not files:
            return None
        found = pq.read_schema(files[0], filesystem=folder.arrow[0])
        types = {field.name: _type_name(field.type) for field in found}
        return types | ({"run_id": "string"} if place.by_run else {})

    def replace(self, table: TableSchema, rows: DataFrame) -> None:
        """See `Sink.replace`."""
        self._write(table, rows, self._published / table.name)

    def add_run(self, table: TableSchema, rows: DataFrame, *, run_id: str, keep: int) -> None:
        """See `Sink.add_run`."""
        parts = self._output / table.name
        # readers skip names that begin with an underscore; the rename shows the whole part at once
        unfinished = parts / f"_unfinished-{run_id}"
        self._write(table, rows.drop("run_id"), unfinished, without="run_id")
        unfinished.move(parts / f"run_id={run_id}")
        for name in self._runs_of(parts)[:-keep]:
            if name != f"run_id={self.visible_run()}":
                (parts / name).delete()

    def append(self, table: TableSchema, rows: DataFrame, *, run_id: str | None = None) -> None:
        """See `Sink.append`."""
        self.add_run(table, rows, run_id=run_id or self._run_id, keep=1_000_000)

    def publish(self, table: TableSchema, rows: DataFrame) -> None:
        """See `Sink.publish`."""
        self.replace(table, rows)
        inside = f"published/{self._run_id}"
        tables = {name: f"{inside}/{name}" for name in self._published.children()}
        self._point(self._output, inside, tables=tables)

    def publish_again(self, table: TableSchema, rows: DataFrame, *, run_id: str) -> None:
        """See `Sink.publish_again`."""
        before = self._output.read_json(POINTER) or {"tables": {}}
        self.replace(table, rows)
        inside = f"published/{self._run_id}"
        for name, place in before["tables"].items():
            # the link shows one folder: what stays as it is comes along
            if name != table.name and not (self._published / name).exists():
                (self._output / place).copy(self._published / name)
        tables = {name: f"{inside}/{name}" for name in self._published.children()}
        self._point(self._output, inside, run_id=run_id, tables=tables)

    def publish_alone(self, table: TableSchema, rows: DataFrame) -> None:
        """See `Sink.publish_alone`."""
        place = self._output / table.name
        self._write(table, rows, place / self._run_id)
        self._point(place, self._run_id)
        others = [name for name in place.children() if not name.startswith((".", LINK)) and name != self._run_id]
        for name in others[: len(others) + 1 - KEPT_ALONE]:
            (place / name).delete()

    def visible_run(self) -> str | None:
        """See `Sink.visible_run`."""
        pointer = self._output.read_json(POINTER)
        return None if pointer is None else str(pointer["run_id"])

    def discard_run(self, run_id: str) -> None:
        """See `Sink.discard_run`."""
        for table in PARTS_OF_RUNS:
            (self._output / table.name / f"run_id={run_id}").delete()
            (self._output / table.name / f"_unfinished-{run_id}").delete()
        if run_id not in self._shown():
            (self._output / "published" / run_id).delete()

    def forget_old(self, keep: int) -> None:
        """Remove all but the newest `keep` run folders; never one that is shown."""
        runs, shown = self._output / "published", self._shown()
        for name in runs.children()[:-keep]:
            if name not in shown:
                (runs / name).delete()

    @property
    def _published(self) -> Folder:
        return self._output / "published" / self._run_id

    def _shown(self) -> set[str]:
        """The run folders that the pointer leads to: after a rollback that is the folder of the rollback."""
        pointer = self._output.read_json(POINTER) or {"tables": {}}
        return {place.split("/")[1] for place in pointer["tables"].values()}

    def _runs_of(self, parts: Folder) -> list[str]:
        return [name for name in parts.children() if name.startswith("run_id=")]

    def _visible_alone(self, table: TableSchema) -> Folder | None:
        place = self._output / table.name
        pointer = place.read_json(POINTER)
        return None if pointer is None else place / pointer["run_id"]

    def _point(self, folder: Folder, target: str, **also: Any) -> None:
        """Replace the pointer of a folder and, where the file system has links, its link; each at once."""
        now = datetime.now(UTC).isoformat()
        folder.write_json(POINTER, {"run_id": self._run_id, "published_at": now, **also})
        if folder.is_local:
            # tools without symbolic links have the pointer
            with contextlib.suppress(OSError):
                temporary = folder.path / f".current.{self._run_id}"
                temporary.symlink_to(target)
                temporary.replace(folder.path / LINK)

    def _write(self, table: TableSchema, rows: DataFrame, place: Folder, *, without: str | None = None) -> None:
        schema = table.arrow(self._ids)
        if without is not None:
            schema = schema.remove(schema.get_field_index(without))
        conform(rows, schema).write.mode("overwrite").parquet(str(place))


def _type_name(kind: pa.DataType) -> str:
    """A type of a file in Spark's words; a file's timestamps may have lost their zone, ours are all UTC."""
    return from_arrow_type(kind).simpleString().replace("timestamp_ntz", "timestamp")
