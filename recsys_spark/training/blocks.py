"""Rows on disk in random order, by reading and writing from one end to the other alone.

Once, each row goes to a block drawn at random, and each block, which memory does hold, is shuffled. So all rows lie in
a uniformly random order (Rao 1961 and Sandelius 1962; for rows on disk: Sanders, "Random permutations on distributed,
external and hierarchical memory", Information Processing Letters 67, 1998), cut into some thousand shards, each a file.
In each epoch the shards come in random order, as many as make a block are in memory at a time, and their rows are
shuffled with each other.

Rows of one shard stay near each other in every epoch. With shards by the hundred or thousand that has no effect that
could be measured: over ten seeds of a fit to a million ratings, with blocks of 60,000 rows, the test error had the mean
and the spread that it has with rows shuffled in memory (`benchmarks/shuffled_blocks.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys_spark.kernels.arrays import I32
from recsys_spark.training.recency import ToWeight
from recsys_spark.training.records import FIELDS, RECORD, ToTarget, fields_of, packed
from recsys_spark.training.rows import TrainingRows

if TYPE_CHECKING:
    import tensorflow as tf

BLOCK_ROWS = 1 << 21
"""Rows of a block: 25 MB. An epoch holds the block that is cut into batches and the next one, some 130 MB in all."""

_SHARDS = 4096
_LEAST_SHARD_ROWS = 1024
"""There are so many shards, or fewer of so many rows: smaller files would take longer to open than to read."""


def write_shards(
    rows: TrainingRows,
    to_target: ToTarget,
    folder: Path,
    *,
    to_weight: ToWeight | None = None,
    seed: int | None = None,
    block_rows: int = BLOCK_ROWS,
    shard_rows: int | None = None,
) -> list[str]:
    """Write rows as files of records.

    Args:
        rows: any number.
        to_target: what becomes of the ratings.
        to_weight: what becomes of the days; none: rows have no weights.
        folder: an empty one; gets 12 bytes for each row, and for a while those of one block more.
        seed: of the random order; none: the order of the rows.
        block_rows: rows that are held and shuffled at a time, about.
        shard_rows: rows of a file; the last one of a block has fewer. None: chosen by the number of rows.

    Returns:
        The files.
    """
    size = shard_rows or max(_LEAST_SHARD_ROWS, -(-len(rows) // _SHARDS))
    shards: list[str] = []

    def write(records: I32) -> None:
        for start in range(0, len(records), size):
            shard = folder / f"{len(shards):06d}"
            shard.write_bytes(records[start : start + size].data)
            shards.append(str(shard))

    if seed is None:
        for chunk in rows.chunks(max(1, block_rows // size) * size):
            write(packed(chunk, to_target, to_weight))
        return shards
    generator = np.random.default_rng(seed % 2**64)

    def pack(chunk: TrainingRows) -> I32:
        return packed(chunk, to_target, to_weight)

    for block in _scattered(rows, pack, folder, -(-len(rows) // block_rows), generator):
        records = np.fromfile(block, RECORD).reshape(-1, fields_of(to_weight))
        block.unlink()
        write(records[generator.permutation(len(records))])
    return shards


def blocks_of(shards: Any, block_rows: int, fields: int = FIELDS) -> tf.data.Dataset:
    """The records of some shards, in the order given, by TensorFlow alone.

    Args:
        shards: a tensor of file names.
        block_rows: records in an element; the last one may have fewer.
        fields: of a record.

    Returns:
        Elements i32[m, fields].
    """
    import tensorflow as tf

    def records(shard: Any) -> Any:
        return tf.reshape(tf.io.decode_raw(tf.io.read_file(shard), tf.int32), (-1, fields))

    read = tf.autograph.experimental.do_not_convert(records)
    return tf.data.Dataset.from_tensor_slices(shards).map(read).rebatch(block_rows)


def _scattered(
    rows: TrainingRows,
    pack: Callable[[TrainingRows], I32],
    folder: Path,
    count: int,
    generator: np.random.Generator,
) -> list[Path]:
    """Files of records, each of a random sample of the rows."""
    blocks = [folder / f"block-{number}" for number in range(count)]
    for block in blocks:
        block.touch()
    for chunk in rows.chunks():
        # of the smallest type that will do: numpy sorts short integers without comparing them
        drawn = generator.integers(count, size=len(chunk), dtype=np.min_scalar_type(count - 1).type)
        records = pack(chunk)[np.argsort(drawn, kind="stable")]
        counts = np.bincount(drawn, minlength=count)
        ends = np.cumsum(counts)
        for number in np.flatnonzero(counts):
            with blocks[number].open("ab") as file:
                file.write(records[ends[number] - counts[number] : ends[number]].data)
    return blocks
