"""How the tables of an output lie on disk, for readers without Spark: Delta by delta-rs, Parquet by its pointers.

`publishing/delta.py` and `publishing/parquet.py` write what is read here; a contract holds the two sides together.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from recsys_spark.errors import DataError, NotFoundError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds

POINTER = "current.json"
"""Of the Parquet layout: names the visible run and where its tables are."""

OF_RUN = "run_id="
"""How a Delta commit's metadata begin, and the folder of a run in the Parquet layout."""


class Layout(Protocol):
    """Finds the tables of one output."""

    name: str
    """`delta` or `parquet`, as `output.format` has it."""

    def has(self, table: str) -> bool:
        """Whether the table was ever written."""

    def dataset(self, table: str) -> ds.Dataset | None:
        """What a reader of the table sees now; none if it has never been written."""

    def visible_run(self) -> str | None:
        """The run whose lists readers see; none before the first one."""


class DeltaLayout:
    """A Delta table in a folder of its name."""

    name = "delta"

    def __init__(self, output: Path) -> None:
        self._output = output

    def has(self, table: str) -> bool:
        """See `Layout.has`."""
        return is_delta(self._output / table)

    def dataset(self, table: str) -> ds.Dataset | None:
        """See `Layout.dataset`."""
        if not self.has(table):
            return None
        from deltalake import DeltaTable

        return DeltaTable(self._output / table).to_pyarrow_dataset()

    def visible_run(self) -> str | None:
        """See `Layout.visible_run`. The newest commit of `top_n` that names a run tells it, so that no row is read."""
        if not is_delta(self._output / "top_n"):
            return None
        from deltalake import DeltaTable

        log = DeltaTable(self._output / "top_n").history()
        for commit in sorted(log, key=lambda c: int(c.get("version", 0)), reverse=True):
            named = str(commit.get("userMetadata") or "")
            if named.startswith(OF_RUN):
                return named.removeprefix(OF_RUN)
        return None


class ParquetLayout:
    """Plain Parquet behind pointers; `publishing/parquet.py` draws the folders."""

    name = "parquet"

    def __init__(self, output: Path) -> None:
        self._output = output

    def has(self, table: str) -> bool:
        """See `Layout.has`."""
        return self._place(table) is not None or self._has_parts(table)

    def dataset(self, table: str) -> ds.Dataset | None:
        """See `Layout.dataset`."""
        import pyarrow as pa

        place = self._place(table)
        if place is not None:
            return _parquet(place, None)
        if not self._has_parts(table):
            return None
        return _parquet(self._output / table, pa.schema([("run_id", pa.string())]))

    def visible_run(self) -> str | None:
        """See `Layout.visible_run`."""
        pointer = _pointer_in(self._output)
        return None if pointer is None else str(pointer["run_id"])

    def _has_parts(self, table: str) -> bool:
        """Whether it is a table with a folder for each run, and has one."""
        return any((self._output / table).glob(f"{OF_RUN}*"))

    def _place(self, table: str) -> Path | None:
        """The folder of a table that a pointer leads to: that of the nights, or one of its own."""
        pointer = _pointer_in(self._output) or {}
        published = pointer.get("tables", {}).get(table)
        if published is not None:
            return self._output / str(published)
        alone = _pointer_in(self._output / table)
        return None if alone is None else self._output / table / str(alone["run_id"])


def layout_of(output: Path) -> Layout:
    """The layout of an output; where both have been used, the one in which lists were published last.

    Raises:
        NotFoundError: the folder does not exist, or holds nothing of an output.
    """
    delta, pointer = is_delta(output / "top_n"), output / POINTER
    if delta and pointer.exists():
        newest_commit = max(file.stat().st_mtime for file in (output / "top_n" / "_delta_log").iterdir())
        return DeltaLayout(output) if newest_commit > pointer.stat().st_mtime else ParquetLayout(output)
    if delta:
        return DeltaLayout(output)
    if pointer.exists():
        return ParquetLayout(output)
    if any((output / name).is_dir() for name in ("state", "summaries", "models")):
        # nothing was published yet, or one part of a night alone: whatever tables there are
        return DeltaLayout(output) if any(is_delta(folder) for folder in output.iterdir()) else ParquetLayout(output)
    raise NotFoundError(
        str(output),
        expected="the output folder of a job",
        found="none of its tables there" if output.is_dir() else "no such folder",
        hint="name it as output.path of the configuration does",
    )


def is_delta(folder: Path) -> bool:
    """Whether something was ever committed to a folder: a kill may leave one that holds files and no commit."""
    return any((folder / "_delta_log").glob("*.json"))


def _parquet(place: Path, by_folder: pa.Schema | None) -> ds.Dataset:
    """The files of a folder; with columns that the names of folders tell, if there are any such."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    # Spark's old kind of timestamps would otherwise be read as nanoseconds, and has no zone: ours are all UTC
    files = ds.ParquetFileFormat(read_options=ds.ParquetReadOptions(coerce_int96_timestamp_unit="us"))
    folders = None if by_folder is None else ds.partitioning(by_folder, flavor="hive")
    found = ds.dataset(place, format=files, partitioning=folders)
    zoned = pa.timestamp("us", tz="UTC")
    fields = [field.with_type(zoned) if pa.types.is_timestamp(field.type) else field for field in found.schema]
    return ds.dataset(place, pa.schema(fields), format=files, partitioning=folders)


def _pointer_in(folder: Path) -> dict[str, Any] | None:
    file = folder / POINTER
    try:
        found = json.loads(file.read_bytes())
        str(found["run_id"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "the next run that is published, or a rollback, writes it anew"
        found_instead = f"{type(error).__name__}: {error}"
        raise DataError(str(file), expected="a pointer to a run", found=found_instead, hint=hint) from error
    return dict(found)
