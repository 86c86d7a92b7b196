"""From column files to batches: the training rows in memory, and the order in which a network sees them.

The order of the rows is the order of the files, and an epoch's order depends on the seed alone. So the same files and
the same seed feed a network the same batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from recsys_spark.errors import DataError
from recsys_spark.kernels.arrays import F32, I32

if TYPE_CHECKING:
    import tensorflow as tf

Part = Literal["train", "validation", "test"]

PARTS: tuple[Part, ...] = ("train", "validation", "test")
"""The parts of a split; a row holds its part's position here."""

_TEXT = (pa.string(), pa.dictionary(pa.int32(), pa.string()))

_COLUMNS = {"user": (pa.int32(),), "item": (pa.int32(),), "rating": (pa.float32(),), "part": _TEXT}
"""Of the files that are read, with the types they may have."""

_ROWS_AT_ONCE = 1 << 18
"""Rows of one Arrow batch: about 5 MB beside the columns."""


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Encoded ratings as columns: 13 bytes for each rating, on the driver.

    A fit copies the rows that it uses once more, with their targets (12 bytes each, 16 in a shuffled epoch).

    Args:
        user: i32[n], indices.
        item: i32[n], indices.
        rating: f32[n], in rating units.
        part: u8[n], positions in `PARTS`.
    """

    user: I32
    item: I32
    rating: F32
    part: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.rating)

    def select(self, *parts: Part) -> TrainingRows:
        """The rows of some parts, in their order; these very rows if that is all of them."""
        wanted = np.isin(self.part, [PARTS.index(part) for part in parts])
        if wanted.all():
            return self
        return TrainingRows(self.user[wanted], self.item[wanted], self.rating[wanted], self.part[wanted])


def read_rows(files: Sequence[str], filesystem: pafs.FileSystem | None = None) -> TrainingRows:
    """Read the training set: the files in the order given, each in the order of its rows.

    One Arrow batch at a time goes straight into the columns, so that nothing of the data's size stands beside them.

    Args:
        files: Parquet files with user int32, item int32, rating float32 and part; further columns are not read.
        filesystem: where they lie; none: local.

    Returns:
        All rows: 13 bytes for each.

    Raises:
        DataError: a column is missing, of another type or holds a null; a part of another name.
    """
    lengths = [_checked_length(file, filesystem) for file in files]
    n = sum(lengths)
    rows = TrainingRows(np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.float32), np.empty(n, np.uint8))
    start = 0
    for file in files:
        with pq.ParquetFile(file, filesystem=filesystem) as parquet:
            for batch in parquet.iter_batches(_ROWS_AT_ONCE, columns=list(_COLUMNS)):
                end = start + batch.num_rows
                for name in ("user", "item", "rating"):
                    getattr(rows, name)[start:end] = _without_nulls(batch.column(name), name, file).to_numpy()
                rows.part[start:end] = _part_codes(batch.column("part"), file)
                start = end
    return rows


def dataset(rows: TrainingRows, targets: F32, *, batch_size: int, shuffle_seed: int | None = None) -> tf.data.Dataset:
    """The rows as batches `({"user", "item"}, target)`: each row once in an epoch, the last batch maybe shorter.

    Positions are shuffled and columns gathered from memory, which feeds millions of rows a second without Python.

    Args:
        rows: at least one.
        targets: f32[n], of the same rows.
        batch_size: rows in a batch.
        shuffle_seed: seed of the orders, another one at each iteration (each epoch); none: the order of the rows.

    Returns:
        A dataset whose number of batches is known. Indices: int32 (batch,); targets: float32 (batch, 1).
    """
    import tensorflow as tf

    # there is nothing to convert in the functions below, and in a zipped package their source cannot be read
    unconverted = tf.autograph.experimental.do_not_convert
    n = len(rows)
    with tf.device("CPU:0"):
        indices = {"user": tf.constant(rows.user), "item": tf.constant(rows.item)}
        column = tf.constant(targets.reshape(-1, 1))

    def batches(order: tf.Tensor) -> tf.data.Dataset:
        def batch(start: tf.Tensor) -> Any:
            chosen = order[start : start + batch_size]
            return {side: tf.gather(index, chosen) for side, index in indices.items()}, tf.gather(column, chosen)

        return tf.data.Dataset.range(0, n, batch_size).map(unconverted(batch))

    def shuffled_batches(seeds: tf.Tensor) -> tf.data.Dataset:
        return batches(tf.random.experimental.stateless_shuffle(tf.range(n, dtype=tf.int64), seeds))

    if shuffle_seed is None:
        result = batches(tf.range(n, dtype=tf.int64))
    else:
        draws = tf.data.Dataset.random(seed=shuffle_seed, rerandomize_each_iteration=True)
        result = draws.batch(2, drop_remainder=True).take(1).flat_map(unconverted(shuffled_batches))
    # without a known number of batches Keras warns that it ran out of data
    return result.apply(tf.data.experimental.assert_cardinality(-(-n // batch_size))).prefetch(8)


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
