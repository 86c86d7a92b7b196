"""Every user against every candidate: top-N lists by `mapInArrow`, one row for each user.

A task gets the rows of a block of users (id, index, seen list), scores them against all candidates with the kernels,
and gives back their lists. Nothing of the size users x items exists or is shuffled, and no task imports TensorFlow.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame

from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.kernels.top_n import Kernel, PreparedItems, TopN, prepare
from recsys_spark.schemas import ITEM, USER, PinnedIds
from recsys_spark.scoring.shipping import Tally, shipped
from recsys_spark.scoring.uncertainty import Samples
from recsys_spark.spark_schema import to_spark

USERS_AT_ONCE = 1024
"""Users whose lists are made into one Arrow batch; bounds a worker's memory, changes no row."""

OK, COLD_FALLBACK, ERROR = "ok", "cold_fallback", "error"
"""What may become of a user."""

MODEL, NO_VECTOR, NOTHING_LEFT, NOT_FINITE = "model", "no_trained_vector", "nothing_left", "score_not_finite"
"""Why."""


@dataclass(frozen=True, eq=False)
class ScoringPlan:
    """All that a task needs to make lists; each Python worker gets it once.

    Args:
        scorer: the model.
        fallback: orders the candidates for users without a trained vector.
        has_vector: bool[n_users], whether the model was trained on the user.
        candidates: i32[c], item indices that may be recommended, ascending.
        item_ids: the id of every item index, in the ids' own type.
        top_n: entries in a list, at most.
        exclude_seen: whether seen items are left out.
        samples: of the model's posterior, for the standard deviation of what is in a list; none: no deviations.
        kernel: how lists are made; changes the speed, never a row.
    """

    scorer: PairScorer
    fallback: PairScorer
    has_vector: npt.NDArray[np.bool_]
    candidates: npt.NDArray[np.int32]
    item_ids: pa.Array
    top_n: int
    exclude_seen: bool = True
    samples: Samples | None = None
    kernel: Kernel = "auto"

    # a worker keeps its plan, and so what it has coded, from one task to the next

    @functools.cached_property
    def by_model(self) -> PreparedItems:
        """The candidates, ready to be scored by the model."""
        return prepare(self.scorer, self.candidates, kernel=self.kernel)

    @functools.cached_property
    def by_fallback(self) -> PreparedItems:
        """The candidates, ready for users without a trained vector."""
        return prepare(self.fallback, self.candidates, kernel=self.kernel)


def score_all_pairs(users: DataFrame, plan: ScoringPlan, ids: PinnedIds, *, tally: Tally | None = None) -> DataFrame:
    """The list of every user.

    Args:
        users: `user_id`, `user_index` int, `seen` array<int> of ascending item indices; one row for each user.
        plan: model, candidates and options. Each node gets it whole: 4 bytes x columns for each user and item.
        ids: the pinned id types.
        tally: counts what is done while it runs.

    Returns:
        One row for each user: `user_id`, `user_index`, `outcome`, `reason`, and the list, best first, as the arrays
        `item_ids`, `item_indices`, `scores` (float32, clipped if the scorer clips) and `score_stds` (nulls without
        samples); then `kernel`, which made it, and `pairs_scored`: the other candidates were left out by a bound.
    """
    fetch = shipped(users.sparkSession, plan)
    schema = lists_schema(ids)

    def block(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        plan = fetch()
        for lists in _lists_of_block(batches, plan, schema):
            if tally is not None:
                scored = pc.sum(lists.column("pairs_scored")).as_py()
                tally.add(users=lists.num_rows, decided=lists.num_rows * len(plan.candidates), scored=scored)
            yield lists

    wanted = users.select("user_id", "user_index", "seen")
    return wanted.mapInArrow(block, to_spark(schema))


def lists_schema(ids: PinnedIds) -> pa.Schema:
    """The columns of staged lists: one row for each user."""
    return pa.schema(
        [
            pa.field("user_id", ids.arrow(USER)),
            pa.field("user_index", pa.int32()),
            pa.field("outcome", pa.string()),
            pa.field("reason", pa.string()),
            pa.field("item_ids", pa.list_(ids.arrow(ITEM))),
            pa.field("item_indices", pa.list_(pa.int32())),
            pa.field("scores", pa.list_(pa.float32())),
            pa.field("score_stds", pa.list_(pa.float32())),
            pa.field("kernel", pa.string()),
            pa.field("pairs_scored", pa.int32()),
        ]
    )


def _lists_of_block(
    batches: Iterable[pa.RecordBatch], plan: ScoringPlan, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for start in range(0, batch.num_rows, USERS_AT_ONCE):
            users = batch.slice(start, USERS_AT_ONCE)
            known = plan.has_vector[users.column("user_index").to_numpy()]
            if known.any():
                yield _lists(users.filter(pa.array(known)), plan.by_model, plan, schema, cold=False)
            if not known.all():
                yield _lists(users.filter(pa.array(~known)), plan.by_fallback, plan, schema, cold=True)


def _lists(
    users: pa.RecordBatch, prepared: PreparedItems, plan: ScoringPlan, schema: pa.Schema, *, cold: bool
) -> pa.RecordBatch:
    seen = users.column("seen")
    offsets = np.zeros(users.num_rows + 1, np.int64)
    if plan.exclude_seen:
        np.cumsum(seen.value_lengths().to_numpy(), out=offsets[1:])
    found = prepared.top_n(
        users.column("user_index").to_numpy(),
        seen_offsets=offsets,
        seen_items=seen.flatten().to_numpy()[: offsets[-1]],
        n=plan.top_n,
    )
    inside = np.arange(found.items.shape[1]) < found.counts[:, None]
    starts = pa.array(np.concatenate(([0], np.cumsum(found.counts))), pa.int32())
    indices = pa.array(found.items[inside])
    scores = pa.array(prepared.scorer.published(found.scores[inside]))
    outcomes, reasons = _outcomes(found, cold=cold)
    samples = None if cold else plan.samples
    deviations = pa.nulls(len(indices), pa.float32())
    if samples is not None:
        of_user = np.repeat(users.column("user_index").to_numpy(), found.counts)
        deviations = pa.array(samples.deviations(of_user, found.items[inside]))
    columns = [
        users.column("user_id"),
        users.column("user_index"),
        pa.array(outcomes),
        pa.array(reasons),
        pa.ListArray.from_arrays(starts, plan.item_ids.take(indices)),
        pa.ListArray.from_arrays(starts, indices),
        pa.ListArray.from_arrays(starts, scores),
        pa.ListArray.from_arrays(starts, deviations),
        pa.array(np.where(found.screened, "screen", "plain")),
        pa.array(found.scored),
    ]
    return pa.RecordBatch.from_arrays([c.cast(f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def _outcomes(found: TopN, *, cold: bool) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.str_]]:
    sound = COLD_FALLBACK if cold else OK
    why = NO_VECTOR if cold else MODEL
    nothing = found.counts == 0
    outcomes = np.where(found.finite, np.where(nothing, OK, sound), ERROR)
    reasons = np.where(found.finite, np.where(nothing, NOTHING_LEFT, why), NOT_FINITE)
    return outcomes, reasons
