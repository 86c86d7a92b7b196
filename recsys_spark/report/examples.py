"""Example users: what they have rated, and what they get."""

from __future__ import annotations

from typing import Any, NamedTuple

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

HISTORY_SHOWN = 12


class Entry(NamedTuple):
    """An item, and its rating or score."""

    item: str
    title: str | None
    value: float | None
    """A rating; a score, or none where a list has no scores of that kind."""


class ExampleUser(NamedTuple):
    """One user."""

    user: str
    outcome: str
    reason: str
    n_ratings: int
    history: tuple[Entry, ...]
    """The best and then the newest of their ratings, at most `HISTORY_SHOWN`."""

    top_n: tuple[Entry, ...]


def example_users(
    outcomes: DataFrame, top_n: DataFrame, ratings: DataFrame | None, items: DataFrame | None, *, users: int, seed: int
) -> list[ExampleUser]:
    """Some users who have a list, drawn by a hash of their ids: the same ones in any partitioning.

    The driver gets at most `HISTORY_SHOWN` ratings and one list of each.

    Args:
        outcomes: `user_outcomes` of a run.
        top_n: its lists.
        ratings: the accepted ones; none: histories are left out.
        items: `item_id`, `title`; none: titles are left out.
        users: how many.
        seed: of the draw.
    """
    drawn = F.xxhash64(F.col("user_id").cast("string"), F.lit(seed))
    chosen = outcomes.where(F.col("n_items") > 0).orderBy(drawn, "user_id").limit(users).collect()
    if not chosen:
        return []
    ids = [row["user_id"] for row in chosen]
    first = top_n.where(F.col("user_id").isin(ids) & F.col("variant").isNull())
    lists = _by_user(_titled(first.withColumn("value", F.col("score")), items), "rank")
    histories = _by_user(_titled(_best(ratings, ids), items), "place") if ratings is not None else {}
    return [
        ExampleUser(
            str(row["user_id"]),
            row["outcome"],
            row["reason"],
            next((entry["n"] for entry in histories.get(row["user_id"], ())), 0),
            tuple(map(_entry, histories.get(row["user_id"], ()))),
            tuple(map(_entry, lists.get(row["user_id"], ()))),
        )
        for row in chosen
    ]


def _best(ratings: DataFrame, ids: list[Any]) -> DataFrame:
    of_user = Window.partitionBy("user_id")
    order = of_user.orderBy(F.desc("rating"), F.desc_nulls_last("timestamp"), "item_id")
    mine = ratings.where(F.col("user_id").isin(ids))
    mine = mine.withColumn("place", F.row_number().over(order)).withColumn("n", F.count("*").over(of_user))
    return mine.where(F.col("place") <= HISTORY_SHOWN).withColumn("value", F.col("rating"))


def _titled(rows: DataFrame, items: DataFrame | None) -> DataFrame:
    if items is None:
        return rows.withColumn("title", F.lit(None).cast("string"))
    return rows.join(items.select("item_id", "title"), on="item_id", how="left")


def _by_user(rows: DataFrame, order: str) -> dict[Any, list[dict[str, Any]]]:
    found: dict[Any, list[dict[str, Any]]] = {}
    for row in sorted((row.asDict() for row in rows.collect()), key=lambda row: int(row[order])):
        found.setdefault(row["user_id"], []).append(row)
    return found


def _entry(row: dict[str, Any]) -> Entry:
    return Entry(str(row["item_id"]), row["title"], row["value"])
