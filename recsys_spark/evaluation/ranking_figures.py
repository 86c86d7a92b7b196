"""What the rows of ranked users say of everybody: means with intervals, segments, and what the lists are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from recsys_spark.evaluation.bootstrap import interval, resampled, user_group
from recsys_spark.evaluation.groups import RELEVANT, USERS, GroupSums, Measured
from recsys_spark.evaluation.ranking import (
    COLD_USER,
    ITEM_BINS,
    NOTHING_RELEVANT,
    RANKED,
    RECENCY,
    similarity_names,
)
from recsys_spark.evaluation.rating import DIVERSIFIED, MAIN, Metric
from recsys_spark.evaluation.segments import count_bins
from recsys_spark.kernels.list_metrics import F64, gini, names
from recsys_spark.side_by_side import side_by_side

USER_BINS = count_bins("user_ratings")

GAIN = "ndcg_gain"
"""`ndcg@k` of the model minus the best one of the others."""


@dataclass(frozen=True, eq=False)
class RankingFigures:
    """Asks the rows of one held-out part.

    Args:
        ranked: the rows of `rank_users`, stored: they are read several times.
        part: that was measured.
        cutoffs: each k.
        n_candidates: items that were ranked.
        resamples: for the 95 % intervals of overall figures; 0: none.
        sampled: whether the rows have figures among drawn items, too.
        diverse: whether they tell how alike entries are.
        recent: whether they tell what users count by the age of what is held out.
        seed: of groups of users and resamples.
    """

    ranked: DataFrame
    part: str
    cutoffs: tuple[int, ...]
    n_candidates: int
    resamples: int = 0
    sampled: bool = False
    diverse: bool = False
    recent: bool = False
    seed: int = 0

    def all(self) -> Measured:
        """Every figure: overall, by segment, and of the lists."""
        of_users, of_lists, left_out = side_by_side(self.of_users, self.of_lists, self.left_out)
        return Measured([*of_users.metrics, *of_lists, *left_out], of_users.groups)

    def of_users(self) -> Measured:
        """Means over the ranked users, overall with intervals, by activity of users and by popularity of items.

        The driver collects a row for each scorer and group of users, and for each scorer and bin of activity.
        """
        group = user_group(F.col("user_index"), seed=self.seed).alias("_group")
        activity = USER_BINS.position(F.col("n_fitted")).alias("_activity")
        keyed = self._of_ranked().select("scorer", group, activity, *self._numbered())
        both = keyed.groupingSets([("scorer", "_group"), ("scorer", "_activity")], "scorer", "_group", "_activity")
        rows = both.agg(*self._sums()).collect()
        by_group = [row for row in rows if row["_group"] is not None]
        by_activity = [row for row in rows if row["_group"] is None]
        groups = [self._groups(by_group, scorer) for scorer in sorted({row["scorer"] for row in by_group})]
        sums = {of_scorer.scorer: of_scorer.sums for of_scorer in groups}
        found = [*self._overall(sums), *self._by_popularity(sums)]
        found += self._by_segment(by_activity, "_activity", USER_BINS.names)
        kept = (USERS, RELEVANT, *self._means)
        places = [list(self._columns).index(name) for name in kept]
        return Measured(found, [replace(group, columns=kept, sums=group.sums[:, places]) for group in groups])

    def by_column(self, users: DataFrame, name: str, value: Column, *, most: int = 50) -> list[Metric]:
        """Means by a column of the users. The driver collects `most` values, and a row for each scorer and value.

        Args:
            users: `user_index` and what `value` needs.
            name: of the segments, `name=value`.
            value: text; users without one are in no segment.
            most: values that become a segment, the most frequent ones.
        """
        known = users.select("user_index", value.cast("string").alias("_value")).where(F.col("_value").isNotNull())
        rows = self.ranked.join(known, on="user_index")
        frequent = rows.groupBy("_value").count().orderBy(F.desc("count"), "_value").head(most)
        values = sorted(row["_value"] for row in frequent)
        place = F.array_position(F.array(*map(F.lit, values)), F.col("_value")).cast("int") - 1
        of_values = self._of_ranked(rows.where(F.col("_value").isin(values)) if values else rows.limit(0))
        keyed = of_values.select("scorer", place.alias("_place"), *self._numbered()).groupBy("scorer", "_place")
        sums = keyed.agg(*self._sums()).collect()
        return self._by_segment(sums, "_place", tuple(f"{name}={value}" for value in values))

    def of_lists(self) -> list[Metric]:
        """What lists are made of: `item_coverage@k`, the share of the candidates that are in some list, and `gini@k`.

        The driver collects for each scorer a row for each item in a list.
        """
        entries = self._of_ranked().select("scorer", F.posexplode("items").alias("_place", "item"))
        counted = (F.count_if(F.col("_place") < k).alias(f"_{k}") for k in self.cutoffs)
        exposure = entries.groupBy("scorer", "item").agg(*counted).toArrow()
        found = []
        names_of_rows = np.asarray(exposure.column("scorer").to_pylist())
        for scorer in sorted(set(names_of_rows.tolist())):
            for k in self.cutoffs:
                entries_of_items = exposure.column(f"_{k}").to_numpy()[names_of_rows == scorer]
                listed = entries_of_items[entries_of_items > 0]
                missing = np.zeros(self.n_candidates - len(listed), np.int64)
                found += [
                    Metric(scorer, self.part, f"item_coverage@{k}", len(listed) / self.n_candidates),
                    Metric(scorer, self.part, f"gini@{k}", gini(np.concatenate((listed, missing)))),
                ]
        return found

    @property
    def _means(self) -> tuple[str, ...]:
        """The metrics that are means over users."""
        among_drawn = names(self.cutoffs, sampled=True) if self.sampled else ()
        return (*names(self.cutoffs), *among_drawn, *(similarity_names(self.cutoffs) if self.diverse else ()))

    @cached_property
    def _columns(self) -> dict[str, Column]:
        """What is summed over users, by name."""
        means = {name: F.col(f"`{name}`") for name in self._means}
        surprise = {f"surprise@{k}": F.col(f"`surprise@{k}`") for k in self.cutoffs}
        entries = {f"entries@{k}": F.least(F.size("items"), F.lit(k)) for k in self.cutoffs}
        counts = {USERS: F.lit(1), RELEVANT: F.col("n_relevant")}
        return {**counts, **means, **surprise, **entries, **self._by_bin(), **self._by_recency()}

    def _by_recency(self) -> dict[str, Column]:
        """What users count, and the metrics times that."""
        if not self.recent:
            return {}
        weight = F.col(RECENCY)
        return {RECENCY: weight} | {f"{name} {RECENCY}": F.col(f"`{name}`") * weight for name in names(self.cutoffs)}

    def _by_bin(self) -> dict[str, Column]:
        """Relevant items by the popularity of items, and those of them in lists."""
        width = len(ITEM_BINS.names)
        places = {f"relevant_{b}": F.col("relevant_by_popularity")[b] for b in range(width)}
        return places | {
            f"hits_{b}@{k}": F.col("hits_by_popularity")[n * width + b]
            for n, k in enumerate(self.cutoffs)
            for b in range(width)
        }

    def _of_ranked(self, rows: DataFrame | None = None) -> DataFrame:
        return (self.ranked if rows is None else rows).where(F.col("outcome") == RANKED)

    def _numbered(self) -> list[Column]:
        return [column.cast("double").alias(f"_{place}") for place, column in enumerate(self._columns.values())]

    def _sums(self) -> list[Column]:
        return [F.sum(f"_{place}").alias(f"_{place}") for place, _ in enumerate(self._columns)]

    def _groups(self, rows: Iterable[Row], scorer: str) -> GroupSums:
        """Of all columns, in the order of the groups, whatever Spark's was."""
        mine = sorted((row for row in rows if row["scorer"] == scorer), key=lambda row: int(row["_group"]))
        sums = np.stack([_values(row, self._columns) for row in mine])
        return GroupSums(self.part, scorer, tuple(int(row["_group"]) for row in mine), tuple(self._columns), sums)

    def _overall(self, sums: Mapping[str, F64]) -> Iterator[Metric]:
        """Of the sums f64[groups, columns] of each scorer."""
        found: list[Metric] = []
        drawn: dict[str, dict[str, F64]] = {}
        for scorer, groups in sums.items():
            figures = self._figures(groups.sum(axis=0))
            if self.resamples and len(groups) > 1:
                drawn[scorer] = self._figures(resampled(groups, resamples=self.resamples, seed=self.seed))
            found += self._told(scorer, figures, drawn.get(scorer, {}))
        yield from found
        yield from self._gains(found, drawn)

    def _by_popularity(self, sums: Mapping[str, F64]) -> Iterator[Metric]:
        """`recall@k` by the popularity of items: of all relevant items there, the share that the users' lists hold."""
        for scorer, groups in sums.items():
            total = dict(zip(self._columns, groups.sum(axis=0).tolist(), strict=True))
            for b, segment in enumerate(ITEM_BINS.names):
                for k in self.cutoffs if total[f"relevant_{b}"] else ():
                    recall = total[f"hits_{b}@{k}"] / total[f"relevant_{b}"]
                    yield Metric(scorer, self.part, f"recall@{k}", recall, segment=segment)

    def _figures(self, sums: F64) -> dict[str, F64]:
        """The figures of sums f64[..., columns]."""
        by_name = {name: sums[..., position] for position, name in enumerate(self._columns)}
        n = by_name[USERS]
        figures = {name: by_name[name] / n for name in self._means}
        for k in self.cutoffs:
            entries = by_name[f"entries@{k}"]
            zero = np.zeros_like(entries)
            figures[f"novelty@{k}"] = np.divide(by_name[f"surprise@{k}"], entries, out=zero, where=entries > 0)
        if self.recent:
            for name in names(self.cutoffs):
                figures[_recent(name)] = by_name[f"{name} {RECENCY}"] / by_name[RECENCY]
        return {USERS: n, **figures}

    def _told(
        self, scorer: str, figures: Mapping[str, F64], drawn: Mapping[str, F64], segment: str | None = None
    ) -> Iterator[Metric]:
        for name, value in figures.items():
            low, high = (None, None)
            if name in drawn and name != USERS:
                low, high = interval(drawn[name], float(value))
            yield Metric(scorer, self.part, name, float(value), segment=segment, low=low, high=high)

    def _gains(self, found: Sequence[Metric], drawn: Mapping[str, Mapping[str, F64]]) -> Iterator[Metric]:
        """Measured on the same users: the interval of a gain is narrower than those of the two."""
        for k in self.cutoffs:
            name = f"ndcg@{k}"
            values = {m.scorer: m.value for m in found if m.metric == name}
            others = {scorer: value for scorer, value in values.items() if scorer not in (MAIN, DIVERSIFIED)}
            if MAIN not in values or not others:
                continue
            best = max(others, key=lambda scorer: others[scorer])
            gain = values[MAIN] - others[best]
            low, high = (None, None)
            if MAIN in drawn and best in drawn:
                low, high = interval(drawn[MAIN][name] - drawn[best][name], gain)
            yield Metric(MAIN, self.part, f"{GAIN}@{k}", gain, low=low, high=high)

    def left_out(self) -> list[Metric]:
        """How many users and ratings have no part in the figures; the driver collects a row."""
        once = self.ranked.where(F.col("scorer").isNull() | (F.col("scorer") == MAIN))
        row = once.agg(
            F.count_if(F.col("outcome") == COLD_USER).alias("cold_users"),
            F.count_if(F.col("outcome") == NOTHING_RELEVANT).alias("users_without_relevant_items"),
            F.coalesce(F.sum("n_cold"), F.lit(0)).alias("cold_item_ratings"),
        ).collect()[0]
        return [Metric(MAIN, self.part, name, float(value)) for name, value in row.asDict().items()]

    def _by_segment(self, sums: Iterable[Row], key: str, segments: Sequence[str]) -> list[Metric]:
        """Of rows of sums, which say by `key` the position of their segment."""
        return [
            metric
            for row in sorted(sums, key=lambda row: (str(row["scorer"]), row[key]))
            for metric in self._told(row["scorer"], self._figures(_values(row, self._columns)), {}, segments[row[key]])
        ]


def _recent(metric: str) -> str:
    """`ndcg@10` as `ndcg_recent@10`."""
    name, _, k = metric.partition("@")
    return f"{name}_recent@{k}"


def _values(row: Row, columns: Iterable[str]) -> F64:
    return np.array([row[f"_{position}"] for position, _ in enumerate(columns)], np.float64)
