"""Users folded in on Spark: who has other ratings than the model knows gets a vector, in one narrow pass."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from recsys_spark.ingest.days import days_of
from recsys_spark.ingest.training_files import columns_in, training_files
from recsys_spark.kernels.arrays import F32, I32
from recsys_spark.kernels.digests import U64, history_digests
from recsys_spark.models.folds import Fold, Histories
from recsys_spark.scoring.blocks import files_in_a_task
from recsys_spark.scoring.shipping import shipped
from recsys_spark.spark_schema import to_spark

_USERS_AT_ONCE = 1024

FOLDED = pa.schema(
    [
        pa.field("user_index", pa.int32()),
        pa.field("digest", pa.int64()),
        pa.field("scorer", pa.string()),
        pa.field("vector", pa.list_(pa.float32())),
        pa.field("bias", pa.float32()),
    ]
)
"""The rows of `fold_users`."""


@dataclass(frozen=True, eq=False)
class FoldPlan:
    """What a task needs to fold users in.

    Args:
        fold: gives the vectors.
        known: u64[n_users], the digest of each user's ratings when the model was fitted.
        to_weight: from days f32[m] to what ratings count; none: all the same.
    """

    fold: Fold
    known: U64
    to_weight: Callable[[F32], F32] | None = None


def fold_users(ratings: DataFrame, plan: FoldPlan) -> DataFrame:
    """The vectors of the users whose ratings are others than the model knows.

    Args:
        ratings: nothing but a read of the stored training set, each of whose files has all rows of its users, ascending
            by user. Written or collected under `whole_files`.
        plan: how, and what the model knows.

    Returns:
        For each such user, and each scorer of the model with a users' side, a row of `FOLDED`: without a bias where the
        scorer has none. A user of whose ratings the model can make nothing has no row.
    """
    fetch = shipped(ratings.sparkSession, plan)

    def folded(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        plan = fetch()
        dated = plan.to_weight is not None
        columns = ("user", "item", "rating", *(["timestamp"] if dated else []))
        for user, item, rating, day in whole_users(columns_in(batches, columns)):
            yield from _folded(user, item, rating, day if dated else None, plan)

    return training_files(ratings).mapInArrow(folded, to_spark(FOLDED))


whole_files = functools.partial(files_in_a_task, files=1)
"""Within this, given a session, a task reads one whole file."""


def whole_users(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[I32, I32, F32, F32]]:
    """Cut ratings that ascend by user so that no user's lie in two pieces.

    Args:
        batches: `user` i32, `item` i32, `rating` f32, and maybe `timestamp`.

    Returns:
        The three columns and days f32[m], NaN where there is no time, piece by piece.
    """
    user, item = np.zeros(0, np.int32), np.zeros(0, np.int32)
    rating, day = np.zeros(0, np.float32), np.zeros(0, np.float32)
    for batch in batches:
        dated = "timestamp" in batch.schema.names
        days = days_of(batch.column("timestamp")) if dated else np.full(batch.num_rows, np.nan, np.float32)
        day = np.concatenate([day, days])
        user = np.concatenate([user, batch.column("user").to_numpy()])
        item = np.concatenate([item, batch.column("item").to_numpy()])
        rating = np.concatenate([rating, batch.column("rating").to_numpy()])
        end = int(np.searchsorted(user, user[-1])) if len(user) else 0
        if end:
            yield user[:end], item[:end], rating[:end], day[:end]
            user, item, rating, day = user[end:], item[end:], rating[end:], day[end:]
    if len(user):
        yield user, item, rating, day


def _folded(user: I32, item: I32, rating: F32, day: F32 | None, plan: FoldPlan) -> Iterator[pa.RecordBatch]:
    users, owner = np.unique(user, return_inverse=True)
    digests = history_digests(owner.astype(np.int32), item, rating, len(users), day)
    changed = np.flatnonzero(digests != plan.known[users])
    counts = np.bincount(owner, minlength=len(users))
    starts = np.cumsum(counts) - counts
    for first in range(0, len(changed), _USERS_AT_ONCE):
        some = changed[first : first + _USERS_AT_ONCE]
        places = np.concatenate([np.arange(starts[u], starts[u] + counts[u]) for u in some])
        offsets = np.concatenate(([0], np.cumsum(counts[some]))).astype(np.int64)
        weights = None if day is None or plan.to_weight is None else plan.to_weight(day[places])
        sides = plan.fold.sides(Histories(offsets, item[places], rating[places], weights))
        told = sides["main"].user.any(axis=1)
        for name, side in sides.items():
            vectors = side.user[told]
            width = vectors.shape[1]
            columns = [
                pa.array(users[some][told], pa.int32()),
                pa.array(digests[some][told].astype(np.int64)),
                pa.array([name] * len(vectors), pa.string()),
                pa.ListArray.from_arrays(
                    pa.array(np.arange(len(vectors) + 1) * width, pa.int32()), pa.array(vectors.reshape(-1))
                ),
                pa.nulls(len(vectors), pa.float32()) if side.bias is None else pa.array(side.bias[told]),
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=FOLDED)
