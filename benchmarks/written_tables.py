"""Tables of an output written without Spark, in the layout, the schemas and the kinds of files that the jobs leave.

For benchmarks and tests that need an output and no night. What the sinks themselves write is read in tests/contracts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, write_deltalake

from recsys_spark.layouts import OF_RUN, POINTER
from recsys_spark.schemas import PinnedIds, TableSchema

Rows = pa.Table | Iterable[Mapping[str, Any]]


class WrittenTables:
    """Writes the tables of one run after the other.

    Args:
        output: the folder; made if missing.
        layout: `delta` or `parquet`.
        ids: the types of ids.
        files: files of a table that is written whole, each with a block of its rows in one row group, as tasks of
            Spark leave them.
    """

    def __init__(self, output: Path, layout: str, ids: PinnedIds, *, files: int = 1) -> None:
        self.output, self._layout, self._ids, self._files = output, layout, ids, files
        (output / "summaries").mkdir(parents=True, exist_ok=True)

    def replace(self, table: TableSchema, rows: Rows, run_id: str) -> None:
        """Write a table whole; in the Parquet layout `point` makes it visible."""
        if self._layout == "delta":
            self._commit(table, rows, run_id, mode="overwrite")
        else:
            self._write(table, rows, self.output / "published" / run_id / table.name)

    def add_run(self, table: TableSchema, rows: Rows, run_id: str) -> None:
        """Add the rows of one run to a table with a part for each."""
        if self._layout == "delta":
            self._commit(table, rows, run_id, mode="append", partition_by=["run_id"])
        else:
            self._write(table, rows, self.output / table.name / f"{OF_RUN}{run_id}", without="run_id")

    def point(self, run_id: str, *, of: str | None = None) -> None:
        """Make what `replace` has written the visible tables.

        Args:
            run_id: the run that has written.
            of: the run whose lists they are, if it is another.
        """
        if self._layout == "parquet":
            inside = self.output / "published" / run_id
            tables = {folder.name: f"published/{run_id}/{folder.name}" for folder in sorted(inside.iterdir())}
            (self.output / POINTER).write_text(json.dumps({"run_id": of or run_id, "tables": tables}))

    def alone(self, table: TableSchema, rows: Rows, run_id: str) -> None:
        """Write a table that belongs to no night."""
        if self._layout == "delta":
            self.replace(table, rows, run_id)
        else:
            self._write(table, rows, self.output / table.name / run_id)
            (self.output / table.name / POINTER).write_text(json.dumps({"run_id": run_id}))

    def _commit(self, table: TableSchema, rows: Rows, run_id: str, **options: Any) -> None:
        typed = self._typed(table, rows)
        write_deltalake(
            self.output / table.name,
            typed,
            commit_properties=CommitProperties(custom_metadata={"userMetadata": f"{OF_RUN}{run_id}"}),
            # the log holds no least and greatest ids
            configuration={"delta.dataSkippingNumIndexedCols": "0"},
            target_file_size=max(1, typed.nbytes // self._files // 4),
            **options,
        )

    def _write(self, table: TableSchema, rows: Rows, place: Path, *, without: str | None = None) -> None:
        typed = self._typed(table, rows)
        typed = typed if without is None else typed.drop_columns([without])
        place.mkdir(parents=True)
        step = max(1, -(-typed.num_rows // self._files))
        for part, start in enumerate(range(0, max(typed.num_rows, 1), step)):
            block = typed.slice(start, step)
            # timestamps as Spark writes them
            pq.write_table(block, place / f"part-{part:05d}.parquet", use_deprecated_int96_timestamps=True)

    def _typed(self, table: TableSchema, rows: Rows) -> pa.Table:
        schema = table.arrow(self._ids)
        return rows.cast(schema) if isinstance(rows, pa.Table) else pa.Table.from_pylist(list(rows), schema)
