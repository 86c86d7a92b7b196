"""How well fits rank: the lists that the publishing kernels make for the users of a held-out part, measured.

Every user with a relevant held-out item gets a list of all candidates but the items that the fit has seen of them, by
the same kernels as the published lists, hence in the same order to the bit. One narrow pass over the training set makes
a row for each user and scorer; what is said of all users, of segments and of resamples follows from these rows.

Apart, and in no figure, are held-out ratings that no model without features can rank: of users of whom the fit knows
nothing (cold users), and of items that are no candidates (cold items).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.evaluation.held_out import HeldOutUsers, held_out_users
from recsys_spark.evaluation.rating import DIVERSIFIED, MAIN
from recsys_spark.evaluation.sampled import drawn_pairs, relevant_places
from recsys_spark.evaluation.segments import count_bins
from recsys_spark.ingest.days import days_of
from recsys_spark.ingest.training_files import columns_in, training_files
from recsys_spark.kernels.arrays import F32, I32, I64, Flags
from recsys_spark.kernels.caps import bounded
from recsys_spark.kernels.diversity import Diversity, similarity
from recsys_spark.kernels.list_metrics import F64, figures_of_lists, names, relevant_entries
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.kernels.top_n import PreparedItems, TopN, prepare
from recsys_spark.scoring.blocks import files_in_a_task
from recsys_spark.scoring.shipping import shipped
from recsys_spark.spark_schema import to_spark
from recsys_spark.training.recency import Recency

RECENCY = "recency"
"""The column of what a user counts."""

RANKED, NOTHING_RELEVANT, COLD_USER = "ranked", "nothing_relevant", "cold_user"
"""What may become of a user of the held-out part."""

ITEM_BINS = count_bins("item_ratings")
"""Of the popularity of items: for each, how many relevant items a user has there and how many of them a list holds."""

_USERS_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class RankingPlan:
    """All that a task needs to rank and to measure.

    Args:
        scorers: by name.
        candidates: i32[c], item indices that are ranked, ascending.
        item_counts: f32[n_items], ratings of each item among the rows of the fit.
        known_users: bool[n_users], who has a rating among them.
        relevant_at: the lowest rating of a relevant item.
        cutoffs: each k of the metrics.
        diversity: how lists are chosen out of longer ones; none: they are not.
        top_n: entries of such a list.
        bounds: i64[n_items], what keeps an item from being in too many lists, see `kernels/caps`; none: nothing does.
        recency: what a held-out rating counts by its age, for figures of that name; none: there are none.
        negatives: items drawn for each user to rank the relevant ones among, for figures of that name; 0: none.
        seed: of these draws.
    """

    scorers: Mapping[str, PairScorer]
    candidates: I32
    item_counts: F32
    known_users: Flags
    relevant_at: float
    cutoffs: tuple[int, ...]
    negatives: int = 0
    seed: int = 0
    diversity: Diversity | None = None
    top_n: int = 0
    bounds: I64 | None = None
    recency: Recency | None = None

    @functools.cached_property
    def prepared(self) -> dict[str, PreparedItems]:
        """The candidates, ready for each scorer; a worker keeps them from one task to the next."""
        return {name: prepare(scorer, self.candidates) for name, scorer in self.scorers.items()}

    @functools.cached_property
    def is_candidate(self) -> Flags:
        """The same as bool[n_items]."""
        flags = np.zeros(len(self.item_counts), np.bool_)
        flags[self.candidates] = True
        return flags

    @functools.cached_property
    def surprise(self) -> F64:
        """f64[n_items], -log2 of the share of known users who have rated the item: what novelty is the mean of.

        Zhou et al.: Solving the apparent diversity-accuracy dilemma of recommender systems, 2010. An item without
        ratings counts as rated by one user.
        """
        users = max(int(self.known_users.sum()), 1)
        surprise: F64 = -np.log2(np.maximum(self.item_counts.astype(np.float64), 1) / users)
        return surprise

    @functools.cached_property
    def item_bin(self) -> I64:
        """i64[n_items], the position in `ITEM_BINS`."""
        found: I64 = np.searchsorted(np.array(ITEM_BINS.starts), self.item_counts, side="right")
        return found

    @property
    def n_listed(self) -> int:
        """Entries of a list."""
        return max(self.cutoffs)

    def lists(self, users: I32, offsets: I64, items: I32) -> Iterator[tuple[str, TopN]]:
        """The lists of users by each scorer, those chosen for variety after those of the model.

        Args:
            users: i32[m], indices.
            offsets: i64[m + 1], where each user's fitted items begin and end.
            items: i32[...], the fitted items.
        """
        for name, prepared in self.prepared.items():
            diversity = self.diversity if name == MAIN else None
            n = self.n_listed if diversity is None else max(self.n_listed, diversity.pool)
            found = prepared.top_n(users, seen_offsets=offsets, seen_items=items, n=n)
            yield name, found.head(self.n_listed)
            if diversity is not None:
                pool = found.head(diversity.pool)
                if self.bounds is None:
                    yield DIVERSIFIED, diversity.chosen(pool, self.top_n)
                else:
                    choices = diversity.in_order_of_choice(pool, diversity.pool)
                    yield DIVERSIFIED, bounded(users, choices, self.bounds, self.top_n)


def rank_users(ratings: DataFrame, plan: RankingPlan, *, held_out: str, fitted: tuple[str, ...]) -> DataFrame:
    """Rank and measure every user of a held-out part.

    Args:
        ratings: nothing but a read of the stored training set, each of whose files has all rows of its users, ascending
            by user, then item. Written under `whole_files`.
        plan: scorers, candidates and options.
        held_out: the part that is measured.
        fitted: the parts whose items are seen.

    Returns:
        See `ranked_schema`: for each ranked user a row for each scorer, for each other user one row.
    """
    fetch = shipped(ratings.sparkSession, plan)
    schema = ranked_schema(
        plan.cutoffs,
        sampled=plan.negatives > 0,
        diverse=plan.diversity is not None,
        recent=plan.recency is not None,
    )

    def measured(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        plan = fetch()
        rows = _of_parts(batches, plan, held_out, fitted)
        for users in held_out_users(rows, at_once=_USERS_AT_ONCE):
            yield from _measured(users, plan, schema)

    return training_files(ratings).mapInArrow(measured, to_spark(schema))


def rank_pools(ratings: DataFrame, plan: RankingPlan, *, held_out: str, fitted: tuple[str, ...]) -> DataFrame:
    """What the lists of the users who are ranked are chosen out of; arguments as of `rank_users`.

    Returns:
        `user_index` and `item_indices`, all choices in their order.
    """
    fetch = shipped(ratings.sparkSession, plan)

    def pooled(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        plan = fetch()
        assert plan.diversity is not None
        rows = _of_parts(batches, plan, held_out, fitted)
        for held in held_out_users(rows, at_once=_USERS_AT_ONCE):
            asked = _asked(held, plan)
            users, size = held.users[asked.chosen], plan.diversity.pool
            found = plan.prepared[MAIN].top_n(users, seen_offsets=asked.offsets, seen_items=asked.items, n=size)
            choices = plan.diversity.in_order_of_choice(found, size)
            starts = pa.array(np.concatenate(([0], np.cumsum(choices.counts))), pa.int32())
            inside = np.arange(choices.items.shape[1]) < choices.counts[:, None]
            lists = pa.ListArray.from_arrays(starts, pa.array(choices.items[inside]))
            yield pa.RecordBatch.from_arrays([pa.array(users), lists], names=["user_index", "item_indices"])

    return training_files(ratings).mapInArrow(pooled, "user_index int, item_indices array<int>")


def _of_parts(
    files: Iterable[pa.RecordBatch], plan: RankingPlan, held_out: str, fitted: tuple[str, ...]
) -> Iterator[pa.RecordBatch]:
    """The rows of some parts, what each counts, and whether it was held out."""
    named = ("user", "item", "rating", "part", *(["timestamp"] if plan.recency is not None else []))
    for batch in columns_in(files, named):
        part = batch.column("part")
        names = part.dictionary.to_pylist()
        codes = part.indices.to_numpy()
        held = np.array([name == held_out for name in names])[codes]
        wanted = np.array([name == held_out or name in fitted for name in names])[codes]
        columns = {name: batch.column(name) for name in ("user", "item", "rating")} | {"held": pa.array(held)}
        if plan.recency is not None:
            columns["weight"] = pa.array(plan.recency.weights(days_of(batch.column("timestamp"))))
        rows = pa.RecordBatch.from_pydict(columns)
        yield rows if wanted.all() else rows.filter(pa.array(wanted))


def similarity_names(cutoffs: tuple[int, ...]) -> tuple[str, ...]:
    """Of the columns that tell how alike the entries of a list are."""
    return tuple(f"similarity@{k}" for k in cutoffs)


whole_files = functools.partial(files_in_a_task, files=1)
"""Within this, given a session, a task reads one whole file: what `rank_users` needs of whoever writes its rows."""


def ranked_schema(
    cutoffs: tuple[int, ...], *, sampled: bool = False, diverse: bool = False, recent: bool = False
) -> pa.Schema:
    """The rows of `rank_users`.

    `n_fitted`, `n_relevant` (candidates alone) and `n_cold` (relevant, but no candidates) count items of the user. Of a
    ranked user also the `items` of the list, each metric of `list_metrics`, for each k the sum of `surprise` over the
    entries (`surprise@k`), and by `ITEM_BINS` the relevant items (`relevant_by_popularity`) and, one k after the other,
    those in the list (`hits_by_popularity`). With `sampled` each metric among drawn items as well, with `diverse` for
    each k how alike the entries are (`similarity@k`), with `recent` what the user counts by the age of what is held out
    (`recency`).
    """
    counts = [pa.field(name, pa.int32()) for name in ("n_fitted", "n_relevant", "n_cold")]
    among_drawn = names(cutoffs, sampled=True) if sampled else ()
    alike = similarity_names(cutoffs) if diverse else ()
    counting = (RECENCY,) if recent else ()
    measured = (*names(cutoffs), *among_drawn, *alike, *counting, *(f"surprise@{k}" for k in cutoffs))
    figures = [pa.field(name, pa.float64()) for name in measured]
    by_popularity = [pa.field(f"{what}_by_popularity", pa.list_(pa.int32())) for what in ("relevant", "hits")]
    return pa.schema(
        [
            pa.field("user_index", pa.int32()),
            pa.field("outcome", pa.string()),
            pa.field("scorer", pa.string()),
            *counts,
            pa.field("items", pa.list_(pa.int32())),
            *figures,
            *by_popularity,
        ]
    )


class _Asked(NamedTuple):
    """Who of some users is ranked, and by what."""

    chosen: I64
    """i64[c], positions of the users with a relevant candidate of whom the fit knows something."""

    offsets: I64
    """i64[c + 1], where the fitted items of each begin and end."""

    items: I32
    relevant_offsets: I64
    relevant_items: I32
    counts: Mapping[str, I64]
    """By name i64[m], of all users."""

    recency: F64
    """f64[c], the mean weight of the relevant items of each."""

    known: Flags
    """bool[m]"""


def _asked(users: HeldOutUsers, plan: RankingPlan) -> _Asked:
    owner = np.repeat(np.arange(len(users.users)), np.diff(users.held_offsets))
    liked = users.held_ratings >= np.float32(plan.relevant_at)
    rankable = liked & plan.is_candidate[users.held_items]
    n_relevant = np.bincount(owner[rankable], minlength=len(users.users))
    n_cold = np.bincount(owner[liked & ~rankable], minlength=len(users.users))
    known = plan.known_users[users.users]
    ranked = known & (n_relevant > 0)
    chosen = np.flatnonzero(ranked)
    relevant_offsets = np.concatenate(([0], np.cumsum(n_relevant[chosen])))
    relevant_items = users.held_items[ranked[owner] & rankable]
    counts = {"n_fitted": np.diff(users.fitted_offsets), "n_relevant": n_relevant, "n_cold": n_cold}
    fitted = _taken(users.fitted_offsets, users.fitted_items, chosen)
    recency = np.ones(len(chosen))
    if users.held_weights is not None:
        weight = np.bincount(owner[rankable], users.held_weights[rankable], len(users.users))[chosen]
        recency = weight / n_relevant[chosen]
    return _Asked(chosen, *fitted, relevant_offsets, relevant_items, counts, recency, known)


def _measured(users: HeldOutUsers, plan: RankingPlan, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    asked = _asked(users, plan)
    chosen, counts = asked.chosen, asked.counts
    if len(chosen) < len(users.users):
        others = np.delete(np.arange(len(users.users)), chosen)
        told: dict[str, npt.NDArray[np.generic]] = {"user_index": users.users, **counts}
        outcome = np.where(asked.known, NOTHING_RELEVANT, COLD_USER)[others]
        yield _rows({name: column[others] for name, column in told.items()} | {"outcome": outcome}, schema)
    if not len(chosen):
        return
    drawn = None
    if plan.negatives:
        rated = _together((asked.offsets, asked.items), users, chosen)
        pairs = users.users[chosen], (asked.relevant_offsets, asked.relevant_items), rated, plan.candidates
        drawn = drawn_pairs(*pairs, negatives=plan.negatives, seed=plan.seed)
    for name, lists in plan.lists(users.users[chosen], asked.offsets, asked.items):
        found = _figures(lists, asked.relevant_offsets, asked.relevant_items, plan)
        if drawn is not None and name in plan.scorers:
            places = relevant_places(plan.scorers[name], drawn, n_users=len(chosen), n=plan.n_listed)
            values = figures_of_lists(places, np.diff(asked.relevant_offsets), plan.cutoffs)
            found |= dict(zip(names(plan.cutoffs, sampled=True), values.T, strict=True))
        if plan.recency is not None:
            found[RECENCY] = asked.recency
        of_users = {"user_index": users.users[chosen]} | {count: column[chosen] for count, column in counts.items()}
        yield _rows(of_users | {"outcome": [RANKED] * len(chosen), "scorer": [name] * len(chosen)} | found, schema)


def _figures(lists: TopN, relevant_offsets: I64, relevant_items: I32, plan: RankingPlan) -> dict[str, object]:
    items, counts = lists.items, lists.counts
    relevant = relevant_entries(items, counts, relevant_offsets, relevant_items)
    values = figures_of_lists(relevant, np.diff(relevant_offsets), plan.cutoffs)
    inside = np.arange(items.shape[1]) < counts[:, None]
    surprise = np.cumsum(np.where(inside, plan.surprise[items], 0.0), axis=1)
    found: dict[str, object] = dict(zip(names(plan.cutoffs), values.T, strict=True))
    found |= {f"surprise@{k}": surprise[:, min(k, items.shape[1]) - 1] for k in plan.cutoffs}
    if plan.diversity is not None:
        for k, column in zip(plan.cutoffs, similarity_names(plan.cutoffs), strict=True):
            found[column] = similarity(plan.diversity.units, items[:, :k], np.minimum(counts, k))
    found["items"] = pa.ListArray.from_arrays(
        pa.array(np.concatenate(([0], np.cumsum(counts))), pa.int32()), pa.array(items[inside])
    )
    owner = np.repeat(np.arange(len(items)), np.diff(relevant_offsets))
    found["relevant_by_popularity"] = _as_lists(_counts_by_bin(owner, plan.item_bin[relevant_items], len(items)))
    hits = []
    for k in plan.cutoffs:
        rows, places = np.nonzero(relevant[:, :k])
        hits.append(_counts_by_bin(rows, plan.item_bin[items[rows, places]], len(items)))
    found["hits_by_popularity"] = _as_lists(np.hstack(hits))
    return found


def _together(fitted: tuple[I64, I32], users: HeldOutUsers, chosen: I64) -> tuple[I64, I32]:
    """All that some users have rated, fitted or held out: an item that is known to be disliked is no random one."""
    held = _taken(users.held_offsets, users.held_items, chosen)
    counts = np.diff(fitted[0]) + np.diff(held[0])
    owner = np.concatenate([np.repeat(np.arange(len(chosen)), np.diff(offsets)) for offsets, _ in (fitted, held)])
    order = np.argsort(owner, kind="stable")
    items = np.concatenate((fitted[1], held[1]))[order]
    return np.concatenate(([0], np.cumsum(counts))).astype(np.int64), items


def _counts_by_bin(owner: I64, bins: I64, n: int) -> I64:
    width = len(ITEM_BINS.names)
    counts: I64 = np.bincount(owner * width + bins, minlength=n * width).reshape(n, width)
    return counts


def _as_lists(rows: I64) -> pa.Array:
    offsets = pa.array(np.arange(len(rows) + 1) * rows.shape[1], pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(rows.ravel(), pa.int32()))


def _taken(offsets: I64, values: I32, rows: I64) -> tuple[I64, I32]:
    """The values of some rows, and where each row's begin and end."""
    lengths = np.diff(offsets)
    wanted = np.zeros(len(lengths), np.bool_)
    wanted[rows] = True
    return np.concatenate(([0], np.cumsum(lengths[rows]))), values[np.repeat(wanted, lengths)]


def _rows(columns: Mapping[str, object], schema: pa.Schema) -> pa.RecordBatch:
    """Rows with nulls for what is not told of them."""
    n = len(_array(columns["user_index"]))
    arrays = [
        _array(columns[field.name]).cast(field.type) if field.name in columns else pa.nulls(n, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(values: object) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values)


def mean_rating(ratings: DataFrame, parts: Iterable[str]) -> float:
    """Of the ratings of some parts; what is at least as high counts as relevant where nothing else was said.

    The driver collects one row.
    """
    row = ratings.where(F.col("part").isin(*parts)).agg(F.avg(F.col("rating").cast("double"))).collect()[0]
    return float(row[0])
