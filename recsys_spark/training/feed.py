"""From training rows to batches: the order in which a network sees the rows.

An epoch's order depends on the seed and the number of the epoch alone, so the same rows and the same seed feed a
network the same batches, also one that goes on from an epoch in the middle. Rows in memory are gathered in the order of
one shuffle; rows on disk come by shuffled blocks (`blocks`). Both ways all the work is TensorFlow's own, not Python's.
"""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from recsys_spark.training.blocks import BLOCK_ROWS, blocks_of, write_shards
from recsys_spark.training.reading import count_rows, read_rows
from recsys_spark.training.recency import ToWeight
from recsys_spark.training.records import RECORD, ToTarget, fields_of, packed, target_type, unpacked
from recsys_spark.training.rows import PARTS, Part, TrainingRows
from recsys_spark.training.scratch import fresh_folder

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["PARTS", "EpochOrder", "Part", "TrainingRows", "count_rows", "dataset", "read_rows"]

_ROWS_IN_A_PIECE = 1 << 16
"""Rows that are gathered at once, then cut into batches: enough that the call costs nothing, even for small batches."""

_PIECES_AT_ONCE = 2
"""Gathered side by side; more would only take the network's cores."""

_BATCHES_AHEAD = 8

Epoch = Callable[[Any], Any]
"""From two int64 that seed an epoch (none: rows in their order) to a dataset of its pieces, unpacked."""


class EpochOrder:
    """The order of rows: another one in each epoch, and the same one whatever has run before that epoch.

    Args:
        seed: of all orders.
    """

    def __init__(self, seed: int) -> None:
        import tensorflow as tf

        self.seed = seed
        with tf.device("CPU:0"):
            self._epoch = tf.Variable(0, dtype=tf.int64, trainable=False)

    def begin(self, epoch: int, logs: Any = None) -> None:
        """Let the next iteration give the order of this epoch (from 0); Keras' on_epoch_begin."""
        self._epoch.assign(epoch)

    def seeds(self) -> Any:
        """Two int64 for the epoch that has begun."""
        import tensorflow as tf

        return tf.stack([tf.constant(self.seed % 2**63, tf.int64), self._epoch.read_value()])


def dataset(
    rows: TrainingRows,
    to_target: ToTarget,
    *,
    batch_size: int,
    order: EpochOrder | None = None,
    to_weight: ToWeight | None = None,
    block_rows: int = BLOCK_ROWS,
    shard_rows: int | None = None,
) -> tf.data.Dataset:
    """The rows as batches `({"user", "item"}, target)`: each row once in an epoch, the last batch maybe shorter.

    With weights batches are `({"user", "item"}, target, weight)`, and a copied row has 4 bytes more.

    Rows in memory are copied, 12 bytes for each and 4 more in a shuffled epoch. Rows on disk are written once more,
    12 bytes for each, into their folder; those files go when the dataset and all that is derived from it have gone.

    Args:
        rows: any number.
        to_target: from ratings f32[m] to targets [m], float32 or int32: each rating by itself, since it gets some of
            them at a time.
        batch_size: rows in a batch.
        order: says before each iteration which epoch begins; none: the order of the rows.
        to_weight: from days f32[m] to weights f32[m]; none: there are none.
        block_rows: of rows on disk, so many are in memory at a time and shuffled with each other.
        shard_rows: see `blocks.write_shards`.

    Returns:
        A dataset whose number of batches is known. Indices: int32 (batch,); targets: (batch, 1), as `to_target` has
        them.

    Raises:
        TypeError: targets of another type.
        DataError: no room for the files.
    """
    import tensorflow as tf

    dtype, size = target_type(to_target), max(_ROWS_IN_A_PIECE, batch_size)
    folder = None
    if rows.folder is None:
        epoch = _from_memory(packed(rows, to_target, to_weight), dtype, size)
    else:
        folder = fresh_folder(rows.folder, "blocks-", n_bytes=len(rows) * fields_of(to_weight) * RECORD.itemsize)
        seed = None if order is None else order.seed
        shards = write_shards(
            rows, to_target, folder, to_weight=to_weight, seed=seed, block_rows=block_rows, shard_rows=shard_rows
        )
        epoch = _from_shards(shards, block_rows, fields_of(to_weight), dtype, size)
    pieces = epoch(None) if order is None else _in_order(epoch, order)
    batches = pieces.rebatch(batch_size)
    # without a known number of batches Keras warns that it ran out of data
    batches = batches.apply(tf.data.experimental.assert_cardinality(-(-len(rows) // batch_size)))
    batches = batches.prefetch(_BATCHES_AHEAD).with_options(_options())
    if folder is not None:
        weakref.finalize(batches, shutil.rmtree, folder, ignore_errors=True)
    return batches


def _in_order(epoch: Epoch, order: EpochOrder) -> Any:
    """The pieces of the epoch that has begun; which one that is, is read when an iteration begins."""
    import tensorflow as tf

    return tf.data.Dataset.range(1).flat_map(_plain(lambda _: epoch(order.seeds())))


def _from_memory(records: Any, dtype: Any, size: int) -> Epoch:
    import tensorflow as tf

    with tf.device("CPU:0"):
        held = tf.constant(records)

    def epoch(seeds: Any) -> Any:
        return _pieces(held, _positions(len(records), seeds), dtype, size)

    return epoch


def _from_shards(shards: list[str], block_rows: int, fields: int, dtype: Any, size: int) -> Epoch:
    import tensorflow as tf

    names = tf.constant(shards, tf.string)

    def epoch(seeds: Any) -> Any:
        def ordered(number: Any, records: Any) -> Any:
            own_seeds = None if seeds is None else tf.stack([seeds[0] + 1 + number, seeds[1]])
            return records, _positions(tf.shape(records)[0], own_seeds)

        def pieces(records: Any, order: Any) -> Any:
            return _pieces(records, order, dtype, size)

        blocks = blocks_of(tf.gather(names, _positions(len(shards), seeds)), block_rows, fields)
        return blocks.enumerate().map(_plain(ordered)).prefetch(1).flat_map(_plain(pieces))

    return epoch


def _positions(n: Any, seeds: Any) -> Any:
    """The numbers below n, in the order of the seeds."""
    import tensorflow as tf

    # half the bytes, where they are enough
    positions = tf.range(n, dtype=tf.int64 if isinstance(n, int) and n > tf.int32.max else tf.int32)
    return positions if seeds is None else tf.random.experimental.stateless_shuffle(positions, seeds)


def _pieces(records: Any, order: Any, dtype: Any, size: int) -> Any:
    """The records in some order, unpacked, `size` of them at a time."""
    import tensorflow as tf

    def piece(start: Any) -> Any:
        return unpacked(tf.gather(records, order[start : start + size]), dtype)

    starts = tf.data.Dataset.range(0, tf.size(order, tf.int64), size)
    return starts.map(_plain(piece), num_parallel_calls=_PIECES_AT_ONCE, deterministic=True)


def _plain(function: Any) -> Any:
    """There is nothing for TensorFlow to convert in a function here, and in a zipped package it finds no source."""
    import tensorflow as tf

    return tf.autograph.experimental.do_not_convert(function)


def _options() -> Any:
    import tensorflow as tf

    options = tf.data.Options()
    # it would find out by itself how much to do at once, and costs a tenth of the speed
    options.autotune.enabled = False
    return options
