"""From column files to training rows.

The order of the rows is the order of the files. Nothing of the data's size stands beside the columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from recsys_spark.errors import DataError
from recsys_spark.ingest.days import days_of
from recsys_spark.training.rows import PARTS, TrainingRows, gathered

_TEXT = (pa.string(), pa.dictionary(pa.int32(), pa.string()))

_COLUMNS = {"user": (pa.int32(),), "item": (pa.int32(),), "rating": (pa.float32(),), "part": _TEXT}
"""Of the files that are read, with the types they may have."""

_ROWS_AT_ONCE = 1 << 18
"""Rows of one Arrow batch: about 5 MB beside the columns."""


def count_rows(files: Sequence[str], filesystem: pafs.FileSystem | None = None) -> int:
    """How many rows the training set has, from the files' footers alone.

    Args:
        files: as for `read_rows`.
        filesystem: where they lie; none: local.

    Raises:
        DataError: a column is missing or of another type.
    """
    return sum(_checked_length(file, filesystem) for file in files)


def read_rows(
    files: Sequence[str],
    filesystem: pafs.FileSystem | None = None,
    *,
    scratch: Path | None = None,
    days: bool = False,
) -> TrainingRows:
    """Read the training set: the files in the order given, each in the order of its rows.

    Args:
        files: Parquet files with user int32, item int32, rating float32 and part; further columns are not read.
        filesystem: where they lie; none: local.
        scratch: a local folder inside which the columns become memory-mapped files, so that rows need disk and not
            memory: 13 bytes for each row, as much again for each selection of parts, 12 for each dataset in use. The
            caller removes it when the rows are done with. None: the columns are in memory.
        days: whether to read `timestamp`, too.

    Returns:
        All rows: 13 bytes for each, with days 17.

    Raises:
        DataError: a column is missing, of another type or holds a null; a part of another name; no room in `scratch`.
    """
    return gathered(_chunks(files, filesystem, days), count_rows(files, filesystem), scratch=scratch, days=days)


def _chunks(files: Sequence[str], filesystem: pafs.FileSystem | None, days: bool) -> Iterator[TrainingRows]:
    columns = [*_COLUMNS, *(["timestamp"] if days else [])]
    for file in files:
        with pq.ParquetFile(file, filesystem=filesystem) as parquet:
            for batch in parquet.iter_batches(_ROWS_AT_ONCE, columns=columns):
                user, item, rating = (
                    _without_nulls(batch.column(name), name, file).to_numpy() for name in ("user", "item", "rating")
                )
                day = days_of(batch.column("timestamp")) if days else None
                yield TrainingRows(user, item, rating, _part_codes(batch.column("part"), file), day=day)


def _checked_length(file: str, filesystem: pafs.FileSystem | None) -> int:
    with pq.ParquetFile(file, filesystem=filesystem) as parquet:
        found = {field.name: field.type for field in parquet.schema_arrow}
        wrong = [name for name, types in _COLUMNS.items() if found.get(name) not in types]
        if wrong:
            raise DataError(
                file,
                expected=", ".join(f"{name} {_COLUMNS[name][0]}" for name in wrong),
                found=", ".join(f"{name} {found.get(name, 'missing')}" for name in wrong),
                hint="the training set is what the ingest stage wrote, read file by file",
            )
        return int(parquet.metadata.num_rows)


def _without_nulls(values: pa.Array, name: str, file: str) -> pa.Array:
    if values.null_count:
        raise DataError(f"{file}, column {name}", expected="a value in each row", found=f"{values.null_count} nulls")
    return values


def _part_codes(parts: pa.Array, file: str) -> npt.NDArray[np.uint8]:
    codes = pc.index_in(parts.cast(pa.string()), value_set=pa.array(PARTS))
    if codes.null_count:
        strange = pc.filter(parts.cast(pa.string()), codes.is_null())[0].as_py()
        raise DataError(f"{file}, column part", expected="one of " + ", ".join(PARTS), found=repr(strange))
    return np.asarray(codes.to_numpy(), dtype=np.uint8)
