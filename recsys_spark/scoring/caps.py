"""Lists in which no item is too often, taken out of staged pools; see `kernels/caps`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, Row, Window
from pyspark.sql import functions as F

from recsys_spark.kernels.arrays import I64
from recsys_spark.kernels.caps import NO_BOUND, entry_keys, within_bounds
from recsys_spark.scoring.settings import DiversitySettings
from recsys_spark.scoring.shipping import shipped
from recsys_spark.spark_schema import to_spark

_COUNTS = pa.schema([pa.field("item", pa.int32()), pa.field("lists", pa.int64())])
_KEYS = pa.schema([pa.field("item", pa.int32()), pa.field("key", pa.int64())])


@dataclass(frozen=True, eq=False)
class _Asked:
    """What a task is asked: the bounds as they stand, and the items that are in too many lists."""

    bounds: I64
    n: int
    crowded: np.ndarray


def most_lists(settings: DiversitySettings, n_lists: int) -> int:
    """How many lists an item may be in; at least one.

    Raises:
        ValueError: the settings have no `max_share`.
    """
    if settings.max_share is None:
        raise ValueError("no max_share")
    return max(1, int(settings.max_share * n_lists + 1e-9))


def item_bounds(
    pools: DataFrame, *, n_items: int, n: int, most_lists: int, say: Callable[[str], None] = lambda _: None
) -> I64:
    """Find from which key on each item is gone.

    Args:
        pools: `user_index` and `item_indices`, a user's choices in their order; read as often as there are rounds.
        n_items: indices of items run from 0 to below this.
        n: entries of a list.
        most_lists: that an item may be in.
        say: takes a line in each round.

    Returns:
        i64[n_items]; see `kernels.caps.within_bounds`. The driver collects two rows for each item and round.
    """
    bounds = np.full(n_items, NO_BOUND, np.int64)
    for number in range(1, n_items * n + 1):
        crowded = _crowded(pools, bounds, n, most_lists)
        if not crowded.any():
            return bounds
        say(f"caps, round {number}: {int(crowded.sum()):,} items in more than {most_lists:,} lists")
        for row in _first_beyond(pools, _Asked(bounds, n, crowded), most_lists):
            bounds[row["item"]] = row["key"]
    raise AssertionError("every round takes an entry away from a list")


def capped(lists: DataFrame, bounds: I64, *, n: int) -> DataFrame:
    """The lists within bounds, by score again.

    Args:
        lists: staged pools, one row for each user, entries in the order of choice: `user_index`, `item_indices`,
            `scores` and other arrays beside them.
        bounds: from `item_bounds`.
        n: entries of a list.

    Returns:
        Rows of the same columns.
    """
    fetch = shipped(lists.sparkSession, _Asked(bounds, n, np.zeros(0, np.bool_)))

    def taken(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        asked = fetch()
        for batch in batches:
            yield _by_score(batch, asked)

    return lists.mapInArrow(taken, lists.schema)


def _crowded(pools: DataFrame, bounds: I64, n: int, most_lists: int) -> np.ndarray:
    """bool[n_items], the items that are in too many lists."""
    fetch = shipped(pools.sparkSession, _Asked(bounds, n, np.zeros(0, np.bool_)))

    def counted(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        asked = fetch()
        counts = np.zeros(len(asked.bounds), np.int64)
        for batch in batches:
            _, items, places, _ = _entries(batch, asked)
            counts += np.bincount(items[places], minlength=len(counts))
        some = np.flatnonzero(counts).astype(np.int32)
        yield pa.RecordBatch.from_arrays([pa.array(some), pa.array(counts[some])], schema=_COUNTS)

    rows = pools.select("user_index", "item_indices").mapInArrow(counted, to_spark(_COUNTS))
    found = rows.groupBy("item").agg(F.sum("lists").alias("lists")).where(F.col("lists") > most_lists)
    crowded = np.zeros(len(bounds), np.bool_)
    crowded[[row["item"] for row in found.collect()]] = True
    return crowded


def _first_beyond(pools: DataFrame, asked: _Asked, most_lists: int) -> list[Row]:
    """Of each crowded item the lowest key that is one too many."""
    fetch = shipped(pools.sparkSession, asked)

    def keyed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        asked = fetch()
        for batch in batches:
            users, items, places, counts = _entries(batch, asked)
            owner = np.repeat(np.arange(len(users)), counts)
            starts = _offsets(batch)[:-1]
            keys = entry_keys(users[owner], places - starts[owner])
            wanted = asked.crowded[items[places]]
            yield pa.RecordBatch.from_arrays([pa.array(items[places][wanted]), pa.array(keys[wanted])], schema=_KEYS)

    rows = pools.select("user_index", "item_indices").mapInArrow(keyed, to_spark(_KEYS))
    place = F.row_number().over(Window.partitionBy("item").orderBy("key"))
    return rows.withColumn("place", place).where(F.col("place") == most_lists + 1).select("item", "key").collect()


def _offsets(batch: pa.RecordBatch) -> I64:
    lengths = batch.column("item_indices").value_lengths().to_numpy()
    offsets: I64 = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    return offsets


def _entries(batch: pa.RecordBatch, asked: _Asked) -> tuple[np.ndarray, np.ndarray, I64, I64]:
    """Users, all choices, positions of those taken, and how many of each user."""
    users = batch.column("user_index").to_numpy()
    items = batch.column("item_indices").flatten().to_numpy()
    places, counts = within_bounds(users, _offsets(batch), items, asked.bounds, asked.n)
    return users, items, places, counts


def _by_score(batch: pa.RecordBatch, asked: _Asked) -> pa.RecordBatch:
    _, items, places, counts = _entries(batch, asked)
    scores = batch.column("scores").flatten().to_numpy()
    owner = np.repeat(np.arange(len(counts)), counts)
    order = pa.array(places[np.lexsort((items[places], -scores[places], owner))])
    starts = pa.array(np.concatenate(([0], np.cumsum(counts))), pa.int32())
    columns = [
        pa.ListArray.from_arrays(starts, column.flatten().take(order)) if pa.types.is_list(column.type) else column
        for column in batch.columns
    ]
    cast = [column.cast(field.type) for column, field in zip(columns, batch.schema, strict=True)]
    return pa.RecordBatch.from_arrays(cast, schema=batch.schema)
