"""What the audit's figures are made of: a staged run, and how it differs from the last one, added up by Spark.

Each function is one pass over what it names, and the driver collects one row of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.ingest.source_age import moment, newest_before
from recsys_spark.publishing.last_run import LastRun


@dataclass(frozen=True)
class ListTotals:
    """Of the staged first lists: users by outcome, and the scores of the model's lists."""

    users: int
    ok: int
    cold_fallback: int
    error: int
    empty: int
    by_model: int
    """The model's lists that are not empty."""

    lowest: float | None
    highest: float | None
    entries: int
    """Of the model's lists."""

    score_sum: float | None


@dataclass(frozen=True)
class ItemTotals:
    """Of the items in staged first lists."""

    items: int
    """Different ones."""

    most_frequent: Any
    """The item in the most lists of the model; of equals the one whose id is greatest."""

    lists: int
    """Of the model, with that item."""


@dataclass(frozen=True)
class RatingRange:
    """Of the accepted ratings."""

    lowest: float | None
    highest: float | None
    newest: datetime | None = None
    """The greatest timestamp before the end of the `as_of` day, UTC."""


@dataclass(frozen=True)
class Change:
    """From the last run to this one."""

    users: int
    """Of the last run."""

    lost: int
    """Of these, no users of this run."""

    compared: int
    """Users of both runs, other than those with two empty lists."""

    overlap: float | None
    """Mean over the users compared: items in both lists, divided by the length of the longer one."""

    entries: int
    """Of the model's first lists in the last run."""

    score_sum: float | None


@dataclass(frozen=True)
class Turnover:
    """Of users or items, from the source of the last run to that of this one."""

    new: int
    gone: int


def of_lists(lists: DataFrame) -> ListTotals:
    """Users, outcomes and scores of staged first lists: `outcome`, `scores`."""
    size = F.size("scores")
    return ListTotals(
        **_one(
            lists,
            users=F.count(F.lit(1)),
            **{outcome: F.count_if(F.col("outcome") == outcome) for outcome in ("ok", "cold_fallback", "error")},
            empty=F.count_if(size == 0),
            by_model=F.count_if(by_model() & (size > 0)),
            lowest=F.min(F.when(by_model(), F.array_min("scores"))),
            highest=F.max(F.when(by_model(), F.array_max("scores"))),
            entries=F.coalesce(F.sum(F.when(by_model(), size)), F.lit(0)),
            score_sum=F.sum(F.when(by_model(), _sum("scores"))),
        )
    )


def of_items(lists: DataFrame) -> ItemTotals:
    """Items of staged first lists: `outcome`, `item_ids`. One shuffle, of a row for each item and task."""
    best = F.max(F.struct("lists", "item_id"))
    return ItemTotals(
        **_one(
            lists_with_item(lists),
            items=F.count(F.lit(1)),
            most_frequent=best["item_id"],
            lists=F.coalesce(best["lists"], F.lit(0)),
        )
    )


def lists_with_item(lists: DataFrame) -> DataFrame:
    """`item_id` of every item in a list, and `lists`: in how many of the model."""
    entries = lists.select(by_model().alias("by_model"), F.explode("item_ids").alias("item_id"))
    return entries.groupBy("item_id").agg(F.count_if("by_model").alias("lists"))


def by_model() -> Column:
    """Whether the model has made a staged list; it may be empty, where nothing is left for a user."""
    return F.col("outcome") == "ok"


def of_ratings(ratings: DataFrame, end: datetime) -> RatingRange:
    """The range of accepted ratings (`rating`), and the newest `timestamp` before an end."""
    found = _one(ratings, lowest=F.min("rating"), highest=F.max("rating"), newest=newest_before(end))
    return RatingRange(**found | {"newest": moment(found["newest"])})


def of_change(lists: DataFrame, last: LastRun) -> Change:
    """How staged first lists (`user_id`, `item_ids`) differ from those of the last run. Shuffles both by user."""
    both = compared(lists, last)
    listed = F.col("is_now") & F.col("was_then") & (F.greatest(F.size("now"), F.size("then")) > 0)
    return Change(
        **_one(
            both,
            users=F.count_if("was_then"),
            lost=F.count_if(F.col("was_then") & ~F.col("is_now")),
            compared=F.count_if(listed),
            overlap=F.avg(F.when(listed, overlap())),
            entries=F.coalesce(F.sum("entries"), F.lit(0)),
            score_sum=F.sum("score_sum"),
        )
    )


def of_source(now: DataFrame, then: DataFrame, side: str) -> Turnover:
    """Who has come and who has gone: rows of the table of a side (`<side>_index`, `in_source`). Shuffles both."""
    index = f"{side}_index"
    now, then = (
        rows.where("in_source").select(index, F.lit(True).alias(name))
        for rows, name in ((now, "is_now"), (then, "was_then"))
    )
    both = now.join(then, on=index, how="full_outer")
    return Turnover(**_one(both, new=F.count_if(F.col("was_then").isNull()), gone=F.count_if(F.col("is_now").isNull())))


def compared(lists: DataFrame, last: LastRun) -> DataFrame:
    """Every user of this run or the last one.

    Returns:
        `user_id`, `is_now`, `was_then`, the items `now` and `then`, and of the model's lists then `entries` and
        `score_sum`.
    """
    score = F.when(F.col("reason").isin("model", "folded_in"), F.col("score").cast("double"))
    then = (
        last.top_n.where(F.col("variant").isNull())
        .groupBy("user_id")
        .agg(
            F.collect_list("item_id").alias("then"),
            F.count(score).alias("entries"),
            F.sum(score).alias("score_sum"),
        )
    )
    users_then = last.outcomes.select("user_id", F.lit(True).alias("was_then")).join(then, on="user_id", how="left")
    users_now = lists.select("user_id", F.col("item_ids").alias("now"), F.lit(True).alias("is_now"))
    return users_now.join(users_then, on="user_id", how="full_outer").select(
        "user_id",
        *(F.coalesce(flag, F.lit(False)).alias(flag) for flag in ("is_now", "was_then")),
        *(F.coalesce(items, F.array()).alias(items) for items in ("now", "then")),
        "entries",
        "score_sum",
    )


def overlap() -> Column:
    """Of the lists `now` and `then`: the items in both, divided by the length of the longer one."""
    return F.size(F.array_intersect("now", "then")) / F.greatest(F.size("now"), F.size("then"))


def _sum(scores: str) -> Column:
    return F.aggregate(scores, F.lit(0.0), lambda total, score: total + score.cast("double"))


def _one(rows: DataFrame, **columns: Column) -> dict[str, Any]:
    return rows.agg(*(column.alias(name) for name, column in columns.items())).collect()[0].asDict()
