"""Blocks on disk: rows of any number in random order, by reading and writing from one end to the other alone.

In a first pass each row goes to a block drawn at random. In each epoch the blocks come in random order, each is read
whole and its rows are shuffled in memory. One epoch is a uniformly random order of all rows: this is the shuffle of
Rao (1961) and Sandelius (1962), for memory on disk as Sanders has it ("Random permutations on distributed, external and
hierarchical memory", Information Processing Letters 67, 1998). Epochs share the blocks' rows: two rows of
one block stay near each other, which among millions does not matter to a network.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recsys_spark.training.records import FIELDS, ToTarget, packed
from recsys_spark.training.rows import TrainingRows

if TYPE_CHECKING:
    import tensorflow as tf

BLOCK_ROWS = 1 << 21
"""Rows of a block: 25 MB. An epoch holds the block that is cut into batches and the next one, some 130 MB in all."""


def write_blocks(
    rows: TrainingRows, to_target: ToTarget, folder: Path, *, block_rows: int = BLOCK_ROWS, seed: int | None = None
) -> list[str]:
    """Write rows as files of records.

    Args:
        rows: any number.
        to_target: what becomes of the ratings.
        folder: an empty one; gets 12 bytes for each row.
        block_rows: rows of a block, about; without a seed exactly, but for the last one.
        seed: of the blocks' rows; none: blocks hold the rows in their order.

    Returns:
        The files, one for each block.
    """
    count = max(1, -(-len(rows) // block_rows))
    blocks = [folder / f"{number:06d}" for number in range(count)]
    for block in blocks:
        block.touch()
    generator = None if seed is None else np.random.default_rng(seed % 2**64)
    start = 0
    for chunk in rows.chunks():
        if generator is None:
            drawn = np.arange(start, start + len(chunk)) // block_rows
        else:
            # of the smallest type that will do: numpy sorts short integers without comparing them
            drawn = generator.integers(count, size=len(chunk), dtype=np.min_scalar_type(count - 1).type)
        records = packed(chunk, to_target)[np.argsort(drawn, kind="stable")]
        counts = np.bincount(drawn, minlength=count)
        ends = np.cumsum(counts)
        for number in np.flatnonzero(counts):
            with blocks[number].open("ab") as file:
                file.write(records[ends[number] - counts[number] : ends[number]].data)
        start += len(chunk)
    return [str(block) for block in blocks]


def read_block(file: tf.Tensor) -> tf.Tensor:
    """The records i32[m, 3] of one block, in the order of the file, by TensorFlow alone."""
    import tensorflow as tf

    fields = tf.io.decode_raw(tf.io.read_file(file), tf.int32)
    return tf.reshape(fields, (-1, FIELDS))
