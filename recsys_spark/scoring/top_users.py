"""The best users for every item: the lists of the transposed scorer, by the same kernels.

A task gets rows of items with the users who have seen them, scores them against all users, and gives back their lists.
Every Python worker holds the vectors of all users as the kernels want them, which is the price of one pass: about what
the users' side of the model takes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.kernels.arrays import I32
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.kernels.top_n import Kernel, PreparedItems, prepare
from recsys_spark.schemas import ITEM, USER, PinnedIds
from recsys_spark.scoring.blocks import blocks_in_a_task, nanoseconds_per_pair
from recsys_spark.scoring.entries import entries
from recsys_spark.scoring.shipping import shipped
from recsys_spark.scoring.work import Work, work_of
from recsys_spark.session import default_parallelism
from recsys_spark.spark_schema import to_spark
from recsys_spark.storage import Folder


@dataclass(frozen=True, eq=False)
class TopUsersPlan:
    """All that a task needs to make lists of users; each Python worker gets it once.

    Args:
        scorer: the model, its users and items as they were trained.
        users: i32[u], indices of users who may be in a list, ascending.
        user_ids: the id of every user index, in the ids' own type.
        n: entries in a list, at most.
        kernel: how lists are made; changes the speed, never a row.
        min_score: users with a lower published score enter no list.
    """

    scorer: PairScorer
    users: I32
    user_ids: pa.Array
    n: int
    kernel: Kernel = "auto"
    min_score: float | None = None

    @functools.cached_property
    def prepared(self) -> PreparedItems:
        """The users, ready to be scored for items; a worker keeps it from task to task."""
        return prepared_users(self)


def prepared_users(plan: TopUsersPlan) -> PreparedItems:
    """The users as the candidates of the transposed scorer."""
    return prepare(plan.scorer.transpose(), plan.users, kernel=plan.kernel)


def stage_user_lists(
    items: DataFrame, users: DataFrame, plan: TopUsersPlan, ids: PinnedIds, target: Folder, *, n_items: int
) -> Work:
    """Make the list of every item and write it.

    Args:
        items: `item_id`, `item_index` of the items that get a list.
        users: `user_index`, `seen`; see `items_with_seen`.
        plan: model, users and options.
        ids: the pinned id types.
        target: where the lists go, as Parquet: one file for each task.
        n_items: how many items there are.

    Returns:
        What it has taken, as the written lists tell: its users are the items.
    """
    asked = items_with_seen(items, users, tasks=tasks_for(plan, items.sparkSession, n_items=n_items))
    user_lists(asked, plan, ids).write.mode("overwrite").parquet(str(target))
    return work_of(target)


def items_with_seen(items: DataFrame, users: DataFrame, *, tasks: int) -> DataFrame:
    """Turn the users' lists of items round, by one shuffle of what they hold.

    Args:
        items: `item_id`, `item_index` of the items that get a list.
        users: `user_index`, `seen` array<int> of item indices without repetition; items without a list do no harm.
        tasks: partitions of the result.

    Returns:
        One row for each of the items, also where nobody has seen it: `item_index`, `item_id`, `seen` array<int> of user
        indices, ascending. A row, and a task while it makes it, holds 4 bytes for each user who has seen the item.
    """
    seen = users.select(F.explode("seen").alias("item_index"), "user_index")
    asked = items.select("item_index", F.lit(None).cast("int").alias("user_index"), "item_id")
    nobody = F.lit(None).cast(items.schema["item_id"].dataType)
    by_item = asked.unionByName(seen.withColumn("item_id", nobody)).repartition(tasks, "item_index")
    lists = by_item.groupBy("item_index").agg(
        F.max("item_id").alias("item_id"), F.sort_array(F.collect_list("user_index")).alias("seen")
    )
    return lists.where(F.col("item_id").isNotNull())


def tasks_for(plan: TopUsersPlan, spark: SparkSession, *, n_items: int) -> int:
    """How many tasks make the lists of all items in a few seconds each."""
    # not the plan's own, which would be shipped with it
    prepared = prepared_users(plan)
    nanoseconds = nanoseconds_per_pair(prepared.scorer, screened=prepared.screens)
    seconds = n_items * len(plan.users) * nanoseconds * 1e-9
    return max(1, -(-n_items // blocks_in_a_task(seconds, blocks=n_items, cores=default_parallelism(spark))))


def user_lists(items: DataFrame, plan: TopUsersPlan, ids: PinnedIds) -> DataFrame:
    """The list of every item.

    Args:
        items: from `items_with_seen`.
        plan: model, users and options. Each node gets it whole: 4 bytes x columns and an id for each user.
        ids: the pinned id types.

    Returns:
        One row for each item: `item_id`, `item_index`, and the list, best first, as the arrays `user_ids`,
        `user_indices`, `scores` (float32, clipped if the scorer clips); `finite`: false if some score overflows, and
        then the list is empty; `kernel`, which made it, and `pairs_scored`: the other users were left out by a bound.
    """
    fetch = shipped(items.sparkSession, plan)
    schema = lists_schema(ids)

    def block(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from _lists_of_block(batches, fetch(), schema)

    return items.select("item_id", "item_index", "seen").mapInArrow(block, to_spark(schema))


def lists_schema(ids: PinnedIds) -> pa.Schema:
    """The columns of staged lists: one row for each item."""
    return pa.schema(
        [
            pa.field("item_id", ids.arrow(ITEM)),
            pa.field("item_index", pa.int32()),
            pa.field("user_ids", pa.list_(ids.arrow(USER))),
            pa.field("user_indices", pa.list_(pa.int32())),
            pa.field("scores", pa.list_(pa.float32())),
            pa.field("finite", pa.bool_()),
            pa.field("kernel", pa.string()),
            pa.field("pairs_scored", pa.int32()),
        ]
    )


def _lists_of_block(
    batches: Iterable[pa.RecordBatch], plan: TopUsersPlan, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        at_once = plan.prepared.users_at_once
        for start in range(0, batch.num_rows, at_once):
            yield _lists(batch.slice(start, at_once), plan, schema)


def _lists(items: pa.RecordBatch, plan: TopUsersPlan, schema: pa.Schema) -> pa.RecordBatch:
    seen = items.column("seen")
    offsets = np.zeros(items.num_rows + 1, np.int64)
    np.cumsum(seen.value_lengths().to_numpy(), out=offsets[1:])
    found = plan.prepared.top_n(
        items.column("item_index").to_numpy(),
        seen_offsets=offsets,
        seen_items=seen.flatten().to_numpy(),
        n=plan.n,
        min_score=-np.inf if plan.min_score is None else plan.scorer.unclipped(plan.min_score),
    )
    columns = [items.column("item_id"), items.column("item_index"), *entries(found, plan.user_ids, plan.scorer)]
    return pa.RecordBatch.from_arrays([c.cast(f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)
