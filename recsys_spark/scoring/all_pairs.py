"""Every user against every candidate: top-N lists by `mapInArrow`, one row for each list.

A task gets the rows of a block of users (id, index, seen list), scores them against all candidates with the kernels,
and gives back their lists. Nothing of the size users x items exists or is shuffled, and no task imports TensorFlow.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame

from recsys_spark.kernels.arrays import I32, Flags
from recsys_spark.kernels.digests import U64
from recsys_spark.kernels.diversity import Diversity
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.kernels.segments import Segments
from recsys_spark.kernels.top_n import Kernel, PreparedItems, TopN, prepare
from recsys_spark.schemas import ITEM, USER, PinnedIds
from recsys_spark.scoring.shipping import Tally, shipped
from recsys_spark.scoring.uncertainty import Samples
from recsys_spark.spark_schema import to_spark

OK, COLD_FALLBACK, ERROR = "ok", "cold_fallback", "error"
"""What may become of a user."""

MODEL, FOLDED_IN, NO_VECTOR = "model", "folded_in", "no_trained_vector"
NOTHING_LEFT, NOT_FINITE = "nothing_left", "score_not_finite"
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
        rating: predicts the rating of what is in a list; none: no predicted ratings beside the scores.
        kernel: how lists are made; changes the speed, never a row.
        variants: by name, bool[n_items]: which items may enter a further list of each user.
        min_score: items with a lower published score enter no list by the model.
        min_fallback_score: the same for lists by the fallback.
        segments: the eligible items of each segment; none: there are no segments.
        segment_of: i32[n_users], the segment of each user, -1: every candidate is eligible.
        folded: bool[n_users], whose vector was made without training; none: nobody's.
        digests: u64[n_users], what these vectors were made of; 0 for all others, none: nobody is folded in.
        diversity: chooses the lists out of longer ones; none: they are the best candidates.
        gives_pools: whether lists are all choices of a pool in their order, for `caps` to take lists from.
    """

    scorer: PairScorer
    fallback: PairScorer
    has_vector: npt.NDArray[np.bool_]
    candidates: npt.NDArray[np.int32]
    item_ids: pa.Array
    top_n: int
    exclude_seen: bool = True
    samples: Samples | None = None
    rating: PairScorer | None = None
    kernel: Kernel = "auto"
    variants: Mapping[str, Flags] = field(default_factory=dict)
    min_score: float | None = None
    min_fallback_score: float | None = None
    segments: Segments | None = None
    segment_of: I32 | None = None
    folded: Flags | None = None
    digests: U64 | None = None
    diversity: Diversity | None = None
    gives_pools: bool = False

    @property
    def names(self) -> list[str | None]:
        """Of the lists of a user; none for the first one, of all candidates."""
        return [None, *self.variants]

    # a worker keeps its plan, and so what it has coded, from one task to the next

    @functools.cached_property
    def by_model(self) -> PreparedItems:
        """The candidates, ready to be scored by the model."""
        return self._prepared(self.scorer)

    @functools.cached_property
    def by_fallback(self) -> PreparedItems:
        """The candidates, ready for users without a trained vector."""
        return self._prepared(self.fallback)

    def _prepared(self, scorer: PairScorer) -> PreparedItems:
        everything = np.ones(scorer.n_items, np.bool_)
        variants = [everything, *self.variants.values()] if self.variants else []
        return prepare(scorer, self.candidates, variants=variants, segments=self.segments, kernel=self.kernel)


def score_all_pairs(users: DataFrame, plan: ScoringPlan, ids: PinnedIds, *, tally: Tally | None = None) -> DataFrame:
    """The lists of every user.

    Args:
        users: `user_id`, `user_index` int, `seen` array<int> of ascending item indices; one row for each user.
        plan: model, candidates and options. Each node gets it whole: 4 bytes x columns for each user and item.
        ids: the pinned id types.
        tally: counts what is done while it runs.

    Returns:
        One row for each list: `user_id`, `user_index`, `variant` (null: the first list, of all candidates), `outcome`,
        `reason`, and the list, best first, as the arrays `item_ids`, `item_indices`, `scores` (float32, clipped if the
        scorer clips), `score_stds` (nulls without samples) and `predicted_ratings` (nulls without a scorer for them);
        then `kernel`, which made it, and `pairs_scored` for all lists of the user, told with the first one: the other
        candidates were left out by a bound.
    """
    fetch = shipped(users.sparkSession, plan)
    schema = lists_schema(ids)

    def block(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        plan = fetch()
        for lists in _lists_of_block(batches, plan, schema):
            if tally is not None:
                scored, users = pc.sum(lists.column("pairs_scored")).as_py(), lists.num_rows // len(plan.names)
                tally.add(users=users, decided=users * len(plan.candidates), scored=scored)
            yield lists

    wanted = users.select("user_id", "user_index", "seen")
    return wanted.mapInArrow(block, to_spark(schema))


def lists_schema(ids: PinnedIds) -> pa.Schema:
    """The columns of staged lists: one row for each list."""
    return pa.schema(
        [
            pa.field("user_id", ids.arrow(USER)),
            pa.field("user_index", pa.int32()),
            pa.field("variant", pa.string()),
            pa.field("outcome", pa.string()),
            pa.field("reason", pa.string()),
            pa.field("item_ids", pa.list_(ids.arrow(ITEM))),
            pa.field("item_indices", pa.list_(pa.int32())),
            pa.field("scores", pa.list_(pa.float32())),
            pa.field("score_stds", pa.list_(pa.float32())),
            pa.field("predicted_ratings", pa.list_(pa.float32())),
            pa.field("kernel", pa.string()),
            pa.field("pairs_scored", pa.int32()),
        ]
    )


def _lists_of_block(
    batches: Iterable[pa.RecordBatch], plan: ScoringPlan, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        at_once = plan.by_model.users_at_once
        for start in range(0, batch.num_rows, at_once):
            users = batch.slice(start, at_once)
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
    index = users.column("user_index").to_numpy()
    least = plan.min_fallback_score if cold else plan.min_score
    # without a vector of the user there is nothing to trade for variety
    diversity = None if cold else plan.diversity
    pool = plan.top_n if plan.diversity is None or (cold and not plan.gives_pools) else plan.diversity.pool
    found = prepared.top_n(
        index,
        seen_offsets=offsets,
        seen_items=seen.flatten().to_numpy()[: offsets[-1]],
        n=pool,
        min_score=-np.inf if least is None else prepared.scorer.unclipped(least),
        segment=None if plan.segment_of is None else plan.segment_of[index],
    )
    if diversity is not None:
        found = diversity.in_order_of_choice(found, pool) if plan.gives_pools else diversity.chosen(found, plan.top_n)
    return _as_rows(users, found, prepared.scorer, plan, schema, cold=cold)


def _as_rows(
    users: pa.RecordBatch, found: TopN, scorer: PairScorer, plan: ScoringPlan, schema: pa.Schema, *, cold: bool
) -> pa.RecordBatch:
    of_list, variant = np.divmod(np.arange(len(found.counts)), len(plan.names))
    inside = np.arange(found.items.shape[1]) < found.counts[:, None]
    starts = pa.array(np.concatenate(([0], np.cumsum(found.counts))), pa.int32())
    indices = pa.array(found.items[inside])
    scores = pa.array(scorer.published(found.scores[inside]))
    outcomes, reasons = _outcomes(found, cold=cold)
    if plan.folded is not None:
        folded = plan.folded[users.column("user_index").to_numpy()[of_list]]
        reasons = np.where(folded & (reasons == MODEL), FOLDED_IN, reasons)
    samples, rating = (None, None) if cold else (plan.samples, plan.rating)
    deviations = ratings = pa.nulls(len(indices), pa.float32())
    if samples is not None or rating is not None:
        of_user = np.repeat(users.column("user_index").to_numpy()[of_list], found.counts)
        if samples is not None:
            deviations = pa.array(samples.deviations(of_user, found.items[inside]))
        if rating is not None:
            ratings = pa.array(rating.published(rating.score(of_user, found.items[inside])))
    columns = [
        users.column("user_id").take(pa.array(of_list)),
        users.column("user_index").take(pa.array(of_list)),
        pa.array(plan.names, pa.string()).take(pa.array(variant)),
        pa.array(outcomes),
        pa.array(reasons),
        pa.ListArray.from_arrays(starts, plan.item_ids.take(indices)),
        pa.ListArray.from_arrays(starts, indices),
        pa.ListArray.from_arrays(starts, scores),
        pa.ListArray.from_arrays(starts, deviations),
        pa.ListArray.from_arrays(starts, ratings),
        pa.array(np.where(found.screened[of_list], "screen", "plain")),
        pa.array(np.where(variant == 0, found.scored[of_list], 0)),
    ]
    return pa.RecordBatch.from_arrays([c.cast(f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def _outcomes(found: TopN, *, cold: bool) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.str_]]:
    sound = COLD_FALLBACK if cold else OK
    why = NO_VECTOR if cold else MODEL
    nothing, finite = found.counts == 0, np.repeat(found.finite, len(found.counts) // max(len(found.finite), 1))
    outcomes = np.where(finite, np.where(nothing, OK, sound), ERROR)
    reasons = np.where(finite, np.where(nothing, NOTHING_LEFT, why), NOT_FINITE)
    return outcomes, reasons
