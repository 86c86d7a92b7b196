"""The most similar items of every item: lists of a scorer of which both sides are the items, by the nightly kernels.

A task gets a range of places among the items that are compared, and gives back their lists; each item has seen itself,
so that it is not in its own. Nothing is read or shuffled. Every Python worker holds the items as the kernels want them,
about 4 bytes x columns for each, less where a bound is used.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from recsys_spark.kernels.arrays import I32, read_only
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.kernels.top_n import Kernel, PreparedItems, prepare
from recsys_spark.schemas import ITEM, PinnedIds
from recsys_spark.scoring.blocks import blocks_in_a_task, nanoseconds_per_pair
from recsys_spark.scoring.entries import entries
from recsys_spark.scoring.shipping import shipped
from recsys_spark.scoring.work import Work, work_of
from recsys_spark.session import default_parallelism
from recsys_spark.spark_schema import to_spark
from recsys_spark.storage import Folder


@dataclass(frozen=True, eq=False)
class SimilarItemsPlan:
    """All that a task needs to make lists of similar items; each Python worker gets it once.

    Args:
        scorer: both of its sides are the items; see `kernels/similarity.py`.
        items: i32[c], indices of the items that are compared, each with all others, ascending.
        item_ids: the id of every item index, in the ids' own type.
        n: entries in a list, at most.
        kernel: how lists are made; changes the speed, never a row.
    """

    scorer: PairScorer
    items: I32
    item_ids: pa.Array
    n: int
    kernel: Kernel = "auto"

    @functools.cached_property
    def prepared(self) -> PreparedItems:
        """The items, ready to be compared; a worker keeps it from task to task."""
        return _prepared(self)


def stage_similar_items(spark: SparkSession, plan: SimilarItemsPlan, ids: PinnedIds, target: Folder) -> Work:
    """Make the list of every item and write it.

    Args:
        spark: the session.
        plan: vectors, items and options. Each node gets it whole: 4 bytes x columns and an id for each item.
        ids: the pinned id types.
        target: where the lists go, as Parquet: one file for each task. One row for each item: `item_id`, `item_index`,
            and the list, best first, as the arrays `similar_ids`, `similar_indices`, `scores`; `finite`: false if some
            score overflows, and then the list is empty; `kernel`, which made it, and `pairs_scored`.

    Returns:
        What it has taken, as the written lists tell: its users are the items.
    """
    similar_lists(spark, plan, ids, tasks=tasks_for(plan, spark)).write.mode("overwrite").parquet(str(target))
    return work_of(target)


def tasks_for(plan: SimilarItemsPlan, spark: SparkSession) -> int:
    """How many tasks make all lists in a few seconds each."""
    n = len(plan.items)
    # not the plan's own, which would be shipped with it
    nanoseconds = nanoseconds_per_pair(plan.scorer, screened=_prepared(plan).screens)
    in_a_task = blocks_in_a_task(n * n * nanoseconds * 1e-9, blocks=max(n, 1), cores=default_parallelism(spark))
    return max(1, -(-n // in_a_task))


def similar_lists(spark: SparkSession, plan: SimilarItemsPlan, ids: PinnedIds, *, tasks: int) -> DataFrame:
    """The rows that `stage_similar_items` writes; they are the same whatever the number of tasks."""
    fetch = shipped(spark, plan)
    schema = lists_schema(ids)

    def lists(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from _lists(batches, fetch(), schema)

    places = spark.range(0, len(plan.items), 1, tasks)
    return places.mapInArrow(lists, to_spark(schema))


def lists_schema(ids: PinnedIds) -> pa.Schema:
    """The columns of staged lists: one row for each item."""
    return pa.schema(
        [
            pa.field("item_id", ids.arrow(ITEM)),
            pa.field("item_index", pa.int32()),
            pa.field("similar_ids", pa.list_(ids.arrow(ITEM))),
            pa.field("similar_indices", pa.list_(pa.int32())),
            pa.field("scores", pa.list_(pa.float32())),
            pa.field("finite", pa.bool_()),
            pa.field("kernel", pa.string()),
            pa.field("pairs_scored", pa.int32()),
        ]
    )


def _prepared(plan: SimilarItemsPlan) -> PreparedItems:
    return prepare(plan.scorer, plan.items, kernel=plan.kernel)


def _lists(batches: Iterable[pa.RecordBatch], plan: SimilarItemsPlan, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    at_once = plan.prepared.users_at_once
    for batch in batches:
        places = batch.column("id").to_numpy()
        for start in range(0, len(places), at_once):
            yield _lists_of(read_only(plan.items[places[start : start + at_once]]), plan, schema)


def _lists_of(items: I32, plan: SimilarItemsPlan, schema: pa.Schema) -> pa.RecordBatch:
    itself = np.arange(len(items) + 1, dtype=np.int64)
    found = plan.prepared.top_n(items, seen_offsets=itself, seen_items=items, n=plan.n)
    indices = pa.array(items)
    columns = [plan.item_ids.take(indices), indices, *entries(found, plan.item_ids, plan.scorer)]
    return pa.RecordBatch.from_arrays([c.cast(f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)
