"""Accepted or quarantined: every row of the source becomes one of the two, with a reason a machine can read.

A `defect` cannot be read; a `policy` row is sound but left out by a rule. *Seen* are all rows that name a user and an
item, whatever became of their rating.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recsys_spark.ingest.settings import QualitySettings, SeenFilter
from recsys_spark.schemas import IdName, PinnedIds

DEFECTS = {
    "malformed_row": "the line has another number of columns than the others",
    "user_missing": "no user id",
    "item_missing": "no item id",
    "not_decodable": "an id holds bytes that are not of source.encoding: other ids may look the same",
    "user_id_type": "the user id is not of the pinned type",
    "item_id_type": "the item id is not of the pinned type",
    "rating_missing": "no rating",
    "event_unknown": "the kind of event is none of training.event_weights",
    "rating_unparsable": "the rating is not a number",
    "rating_not_finite": "the rating is NaN or infinite",
    "rating_out_of_range": "the rating lies outside quality.rating_range",
    "timestamp_unparsable": "the timestamp is neither seconds since 1970 nor ISO 8601",
}
POLICIES = {
    "dropped_value": "the rating is one of quality.drop_ratings: seen, not rated",
    "user_filtered": "users.where does not keep the user",
    "item_filtered": "items.where does not keep the item",
    "duplicate": "another rating of the same user and item was kept",
    "user_below_minimum": "the user has fewer ratings than quality.min_ratings_per_user",
    "item_below_minimum": "the item has fewer ratings than quality.min_ratings_per_item",
    "forgotten": "the user is on the list of the job `forget`: of the row nothing is kept but its origin",
}
FORGOTTEN = "forgotten"
UNNAMED = ("malformed_row", "user_missing", "item_missing", "not_decodable", FORGOTTEN)
NOT_SEEN = (*UNNAMED, "user_id_type", "item_id_type")

# a plain integer: what it looks like as text is what it looks like as a number, so "007" is none, nor is "7\n"
_PLAIN_INTEGER = r"^(0|-?[1-9][0-9]{0,18})\z"

# Spark also takes a time without a date, for that time today
_BEGINS_WITH_DATE = r"^ *[0-9]{4}-"

_NUMBER = r"^(?i)[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|nan|inf(inity)?)$"


@dataclass(frozen=True)
class Implicit:
    """What a row counts where there are no ratings.

    Args:
        weights: of each kind of event; none: each row counts 1.
    """

    weights: Mapping[str, float] | None = None


def check_rows(ratings: DataFrame, quality: QualitySettings, implicit: Implicit | None = None) -> DataFrame:
    """Add to each row what can be said of it alone.

    Args:
        ratings: text columns `user`, `item`, `rating_text`, `timestamp_text`, and `_malformed`; others are kept.
        quality: range and dropped values.
        implicit: what takes the place of ratings; none: there are ratings.

    Returns:
        The same rows with `rating` (double), `timestamp` and `reason` (null: nothing wrong so far).
    """
    rating, unsound = _rating(implicit)
    seconds = F.col("timestamp_text").try_cast("double")
    # the years 5 to 8900: beyond them `timestamp_seconds` overflows and would end the job, or readers do
    since_1970 = F.when(seconds.between(-6.2e10, 2.2e11), F.timestamp_seconds(seconds))
    dated = F.when(F.col("timestamp_text").rlike(_BEGINS_WITH_DATE), F.col("timestamp_text"))
    timestamp = F.coalesce(since_1970, dated.try_cast("timestamp"))
    tests = {
        "malformed_row": F.col("_malformed").isNotNull(),
        "user_missing": _blank("user"),
        "item_missing": _blank("item"),
        "not_decodable": ~(_decodable("user") & _decodable("item")),
        **unsound,
        "rating_not_finite": F.isnan(rating) | (F.abs(rating.cast("float")) == float("inf")),
        "dropped_value": rating.isin(*quality.drop_ratings) if quality.drop_ratings else F.lit(False),
        "rating_out_of_range": ~rating.between(*quality.rating_range) if quality.rating_range else F.lit(False),
        "timestamp_unparsable": ~_blank("timestamp_text") & timestamp.isNull(),
    }
    return ratings.withColumns({"rating": rating, "timestamp": timestamp, "reason": _first_reason(tests)})


def pin_id_types(rows: DataFrame, wanted: dict[Literal["user", "item"], str]) -> PinnedIds | None:
    """The id types of a first night: `long` if all ids of the sound rows are plain integers.

    Args:
        rows: from `check_rows`.
        wanted: `auto`, `string` or `long` for `user` and `item`.

    Returns:
        The types; none if no row is sound. Reads all rows once and collects one.
    """
    sound = rows.where(F.col("reason").isNull())
    found = sound.agg(*(F.every(_plain_integer(side)).alias(side) for side in ("user", "item"))).head()
    if found is None or found["user"] is None:
        return None
    user, item = (_id_type(wanted[side], all_integers=found[side]) for side in ("user", "item"))
    return PinnedIds(user=user, item=item)


def check_id_types(rows: DataFrame, ids: PinnedIds) -> DataFrame:
    """Give rows whose ids are not of the pinned type the reason `user_id_type` or `item_id_type`."""
    tests = {}
    for side in ("user", "item"):
        if getattr(ids, side) == "long":
            tests[f"{side}_id_type"] = ~_plain_integer(side)
    unnamed = F.coalesce(F.col("reason").isin(*UNNAMED), F.lit(False))
    return rows.withColumn(
        "reason", F.when(unnamed, F.col("reason")).otherwise(F.coalesce(_first_reason(tests), "reason"))
    )


def resolve_duplicates(rows: DataFrame, policy: Literal["latest", "mean", "sum", "first", "error"]) -> DataFrame:
    """Keep one rating for each user and item; the others get the reason `duplicate`.

    Which one is kept depends on timestamp and rating only, never on a row's place in a file: `latest` (and `error`,
    whose caller refuses duplicates) takes the newest and of equals the higher rating, `first` the oldest and of equals
    the lower one; ratings without a timestamp come after those with one. `mean` and `sum` keep the newest with the mean
    or the sum of all.

    Args:
        rows: columns `user`, `item`, `rating`, `timestamp`, `reason`.
        policy: `quality.duplicates`.

    Returns:
        The same rows.
    """
    first = policy == "first"
    oldest = (F.col("timestamp").asc_nulls_last(), F.col("rating").asc())
    newest = (F.col("timestamp").desc_nulls_last(), F.col("rating").desc())
    sound = F.col("reason").isNull()
    pair = Window.partitionBy("user", "item", sound)
    place = F.row_number().over(pair.orderBy(*(oldest if first else newest)))
    columns = {"reason": F.when(sound & (place > 1), "duplicate").otherwise(F.col("reason"))}
    if policy in ("mean", "sum"):
        # summed in order of size, so that the last bit does not depend on the partitioning
        everything = pair.orderBy("rating").rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
        together = F.avg("rating") if policy == "mean" else F.sum("rating")
        columns["rating"] = F.when(sound, together.over(everything)).otherwise(F.col("rating"))
    return rows.withColumns(columns)


def require_ratings(rows: DataFrame, side: Literal["user", "item"], least: int) -> DataFrame:
    """Give rows of users (or items) with fewer sound rows than `least` the reason `..._below_minimum`.

    Applied to items first, then to users, once each: it is not repeated until nothing changes.
    """
    if least <= 1:
        return rows
    sound = F.col("reason").isNull()
    ratings = F.count("*").over(Window.partitionBy(side, sound))
    return rows.withColumn(
        "reason", F.when(sound & (ratings < least), f"{side}_below_minimum").otherwise(F.col("reason"))
    )


def keep_only(rows: DataFrame, side: Literal["user", "item"], kept: DataFrame) -> DataFrame:
    """Give sound rows whose user (or item) is not in `kept` the reason `user_filtered` (`item_filtered`).

    Args:
        rows: columns `user`, `item`, `reason`.
        side: which id.
        kept: column `id`, as text, without repetition.
    """
    marked = kept.select(F.col("id").alias(side), F.lit(True).alias("_kept"))
    sound = F.col("reason").isNull() & F.col("_kept").isNull()
    joined = rows.join(marked, on=side, how="left")
    return joined.withColumn("reason", F.when(sound, f"{side}_filtered").otherwise(F.col("reason"))).drop("_kept")


def seen_rows(rows: DataFrame) -> DataFrame:
    """The rows that name a user and an item."""
    return rows.where(F.col("reason").isNull() | ~F.col("reason").isin(*NOT_SEEN))


def rows_that_count(seen: DataFrame, rules: SeenFilter, end: datetime) -> DataFrame:
    """Of the seen rows, those that leave their item out of a user's list.

    Args:
        seen: from `seen_rows`; has `event` where the rules name events.
        rules: which rows count. A row must satisfy all that is given.
        end: of the period that `within_days` counts back from. Later rows count as well: no row is too new.

    Returns:
        The rows that count. Of two rows of one pair each is judged by itself.
    """
    if rules.within_days is not None:
        start = F.lit(end - timedelta(days=rules.within_days))
        seen = seen.where(F.col("timestamp").isNull() | (F.col("timestamp") >= start))
    if rules.events is not None:
        seen = seen.where(F.col("event").isin(*rules.events))
    return seen


def quarantined_rows(rows: DataFrame) -> DataFrame:
    """The rows with a reason, as `raw`, `reason`, `class`, `origin`."""
    names = {"user": "user", "item": "item", "rating_text": "rating", "timestamp_text": "timestamp", "event": "event"}
    fields = F.to_json(F.struct(*(F.col(c).alias(name) for c, name in names.items() if c in rows.columns)))
    return rows.where(F.col("reason").isNotNull()).select(
        F.coalesce("_malformed", fields).alias("raw"),
        "reason",
        F.when(F.col("reason").isin(*DEFECTS), "defect").otherwise("policy").alias("class"),
        F.col("_origin").alias("origin"),
    )


def is_id(column: str, kind: IdName) -> Column:
    """Whether a text column holds an id of this type."""
    return ~_blank(column) & _decodable(column) if kind == "string" else _plain_integer(column)


def _id_type(wanted: str, *, all_integers: bool) -> IdName:
    if wanted == "auto":
        return "long" if all_integers else "string"
    return "long" if wanted == "long" else "string"


def _plain_integer(column: str) -> Column:
    return F.col(column).rlike(_PLAIN_INTEGER) & F.col(column).try_cast("long").isNotNull()


def _rating(implicit: Implicit | None) -> tuple[Column, dict[str, Column]]:
    """The rating of a row, and why there may be none."""
    if implicit is None:
        # without the pattern Spark takes 5d and 0x1p3 for numbers, too
        rating = F.when(F.trim("rating_text").rlike(_NUMBER), F.col("rating_text").try_cast("double"))
        return rating, {"rating_missing": _blank("rating_text"), "rating_unparsable": rating.isNull()}
    if implicit.weights is None:
        return F.lit(1.0), {}
    known = (F.when(F.col("event") == event, F.lit(float(weight))) for event, weight in implicit.weights.items())
    weight = F.coalesce(F.lit(None).cast("double"), *known)
    return weight, {"event_unknown": weight.isNull()}


def _blank(column: str) -> Column:
    return F.coalesce(F.trim(column) == "", F.lit(True))


def _decodable(column: str) -> Column:
    """Whether a text is what was written: U+FFFD stands where bytes could not be decoded."""
    return F.is_valid_utf8(column) & ~F.contains(F.col(column), F.lit("\ufffd"))


def _first_reason(tests: dict[str, Column]) -> Column:
    return F.coalesce(F.lit(None).cast("string"), *(F.when(test, F.lit(reason)) for reason, test in tests.items()))
