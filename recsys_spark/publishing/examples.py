"""Rows that show why a threshold of the audit is broken, looked for only then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.publishing.last_run import LastRun
from recsys_spark.publishing.totals import by_model, compared, lists_with_item, overlap

ROWS = 3
"""Shown for each rule, at most."""

ITEMS = 5
"""Of a list, shown at most."""


@dataclass(frozen=True)
class Evidence:
    """Where to look.

    Args:
        lists: staged first lists: `user_id`, `outcome`, `reason`, `item_ids`, `scores`.
        ratings: the accepted ones.
        items: those in the source and kept by `items.where`: `item_id`, `n_ratings`.
        quarantine: rows that were not accepted.
        end: of the `as_of` day.
        last: the last run, if there is one.
    """

    lists: DataFrame
    ratings: DataFrame
    items: DataFrame
    quarantine: DataFrame
    end: datetime
    last: LastRun | None

    def of(self, rule: str) -> list[dict[str, Any]]:
        """Up to `ROWS` rows that show why a rule is broken; none for rules about metrics, which no row shows."""
        if rule not in _ROWS_OF:
            return []
        return [row.asDict() for row in _ROWS_OF[rule](self).head(ROWS)]


def _users(which: str) -> Callable[[Evidence], DataFrame]:
    columns = ("user_id", "outcome", "reason")
    return lambda evidence: evidence.lists.where(which).select(*columns).orderBy("user_id")


def _lost(evidence: Evidence) -> DataFrame:
    return _compared(evidence).where(F.col("was_then") & ~F.col("is_now")).select("user_id").orderBy("user_id")


def _extreme_scores(evidence: Evidence) -> DataFrame:
    entry = F.explode(F.arrays_zip("item_ids", "scores")).alias("entry")
    entries = evidence.lists.where(by_model()).select("user_id", entry)
    rows = entries.select("user_id", F.col("entry.item_ids").alias("item_id"), F.col("entry.scores").alias("score"))
    highest, lowest = rows.orderBy(F.desc("score"), "user_id"), rows.orderBy("score", "user_id")
    return highest.limit(ROWS - 1).unionByName(lowest.limit(1))


def _uncovered(evidence: Evidence) -> DataFrame:
    listed = lists_with_item(evidence.lists)
    rows = evidence.items.select("item_id", "n_ratings").join(listed, on="item_id", how="left_anti")
    return rows.orderBy(F.desc("n_ratings"), "item_id")


def _most_frequent(evidence: Evidence) -> DataFrame:
    return lists_with_item(evidence.lists).orderBy(F.desc("lists"), F.desc("item_id"))


def _least_overlap(evidence: Evidence) -> DataFrame:
    rows = _compared(evidence).where("is_now AND was_then AND greatest(size(now), size(then)) > 0")
    rows = rows.orderBy(overlap(), "user_id")
    return rows.select("user_id", *(F.slice(items, 1, ITEMS).alias(items) for items in ("now", "then")))


def _shifted(evidence: Evidence) -> DataFrame:
    now = evidence.lists.where(by_model()).select("user_id", F.array_max("scores").alias("best_score"))
    then = F.try_divide("score_sum", "entries").alias("mean_score_then")
    rows = _compared(evidence).select("user_id", then).join(now, on="user_id", how="inner")
    change = F.abs(F.col("best_score") - F.col("mean_score_then"))
    return rows.where(change.isNotNull()).orderBy(F.desc(change), "user_id")


def _newest(evidence: Evidence) -> DataFrame:
    rows = evidence.ratings.where(F.col("timestamp") < F.lit(evidence.end)).orderBy(F.desc("timestamp"), "user_id")
    return rows.select("user_id", "item_id", "rating", F.col("timestamp").cast("string").alias("timestamp"))


def _quarantined(evidence: Evidence) -> DataFrame:
    return evidence.quarantine.select("raw", "reason", "class", "origin")


def _compared(evidence: Evidence) -> DataFrame:
    assert evidence.last is not None
    return compared(evidence.lists, evidence.last)


_ROWS_OF: Mapping[str, Callable[[Evidence], DataFrame]] = {
    "min_ok_share": _users("outcome <> 'ok'"),
    "max_failed_share": _users("outcome = 'error'"),
    "max_empty_share": _users("size(scores) = 0"),
    "max_lost_share": _lost,
    "max_score_excess": _extreme_scores,
    "min_item_coverage": _uncovered,
    "max_same_item_share": _most_frequent,
    "min_overlap": _least_overlap,
    "max_mean_score_shift": _shifted,
    "max_source_age": _newest,
    "max_quarantined_share": _quarantined,
}
