"""Deterministic train, validation and test parts.

What part a row is in depends on keys, times and a seed: not on its position, its partition or the cluster. Under
`random` it depends on nothing but the row's own key, so it stays in its part whatever rows come or go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from itertools import accumulate
from typing import NamedTuple

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recsys_spark.errors import DataError
from recsys_spark.ingest.settings import SplitSettings

PARTS = ("train", "validation", "test", "gap", "validation_history", "test_history")
"""gap: too near in time to a later part, see `SplitSettings.gap`; fitted only for what is published. A history: what is
told of users who are held out."""


def divided(ratings: DataFrame, settings: SplitSettings) -> DataFrame:
    """Add the column `part` by the strategy of the settings.

    Args:
        ratings: accepted ratings: `user_id`, `item_id`, and where the strategy asks for times `timestamp`. Read twice
            by `temporal`: the driver collects a row for each day that has ratings.
        settings: strategy, fractions and seed.

    Returns:
        The same rows with `part`, one of `PARTS`.

    Raises:
        DataError: nothing would be left to train on.
    """
    if settings.strategy == "temporal":
        days = ratings.groupBy(F.to_date("timestamp").alias("day")).count().where("day IS NOT NULL").collect()
        return by_time(ratings, cuts([(row["day"], row["count"]) for row in days], settings), settings)
    return _BY_KEY[settings.strategy](ratings, settings)


def random_split(ratings: DataFrame, settings: SplitSettings) -> DataFrame:
    """By a hash of user, item and seed: each row for itself."""
    draw = uniform_hash("user_id", "item_id", seed=settings.seed)
    validation_below = settings.test_fraction + settings.validation_fraction
    part = F.when(draw < settings.test_fraction, "test").when(draw < validation_below, "validation")
    return ratings.withColumn("part", part.otherwise("train"))


def random_per_user(ratings: DataFrame, settings: SplitSettings) -> DataFrame:
    """Of each user's n ratings floor(n x fraction), drawn by hash: everybody keeps some to train on. Shuffles by user.

    The fractions are taken together: with 0.2 and 0.1, of 10 ratings 2 are the test part and 1 is the validation part.
    """
    of_user = Window.partitionBy("user_id")
    place = F.row_number().over(of_user.orderBy(uniform_hash("user_id", "item_id", seed=settings.seed), "item_id"))
    n = F.count(F.lit(1)).over(of_user)
    # a tiny bit more, or 10 x 0.3 would be 2.9999999999999996
    test, held_out = (
        F.floor(n * F.lit(share) + F.lit(1e-9))
        for share in (settings.test_fraction, settings.test_fraction + settings.validation_fraction)
    )
    part = F.when(place <= test, "test").when(place <= held_out, "validation").otherwise("train")
    return ratings.withColumn("part", part)


def leave_last(ratings: DataFrame, settings: SplitSettings) -> DataFrame:
    """The last rating of each user is the test part, the one before it the validation part. Shuffles by user.

    Of equal times the order is drawn by hash. Users keep at least one rating to train on, and ratings without a time
    are only ever trained on. A fraction of 0 leaves its part out; other fractions mean nothing here.
    """
    of_user = Window.partitionBy("user_id")
    latest_first = of_user.orderBy(
        F.desc_nulls_last("timestamp"), uniform_hash("user_id", "item_id", seed=settings.seed), "item_id"
    )
    place, n = F.row_number().over(latest_first), F.count(F.lit(1)).over(of_user)
    part, held_out = F.lit("train"), 0
    for name, fraction in (("test", settings.test_fraction), ("validation", settings.validation_fraction)):
        if fraction:
            held_out += 1
            is_it = (place == held_out) & (n > held_out) & F.col("timestamp").isNotNull()
            part = F.when(is_it, name).otherwise(part)
    return ratings.withColumn("part", part)


def held_out_users(ratings: DataFrame, settings: SplitSettings) -> DataFrame:
    """Users by a hash of their id; of those who are held out all ratings but a history, by hash. Shuffles by user.

    The protocol of Liang et al.: Variational Autoencoders for Collaborative Filtering, WWW 2018, section 4.
    """
    who = uniform_hash("user_id", seed=settings.seed)
    validation_below = settings.test_fraction + settings.validation_fraction
    part = F.when(who < settings.test_fraction, "test").when(who < validation_below, "validation")
    of_user = Window.partitionBy("user_id")
    place = F.row_number().over(of_user.orderBy(uniform_hash("user_id", "item_id", seed=settings.seed), "item_id"))
    n = F.count(F.lit(1)).over(of_user)
    # a tiny bit less, or 10 x 0.7 would be 7.000000000000001
    told = place <= F.ceil(n * F.lit(settings.history_fraction) - F.lit(1e-9))
    of_held_out = F.when(told, F.concat(part, F.lit("_history"))).otherwise(part)
    return ratings.withColumn("part", F.when(part.isNull(), "train").otherwise(of_held_out))


class Cuts(NamedTuple):
    """The first days (UTC) of the later parts; none: there is no such part."""

    validation: date | None
    test: date | None


def cuts(days: Sequence[tuple[date, int]], settings: SplitSettings) -> Cuts:
    """Where a temporal split begins its parts: at the midnight with which they come nearest to their fractions.

    Args:
        days: each day that has ratings, and how many; in any order.
        settings: fractions.

    Raises:
        DataError: there are not enough days for all parts.
    """
    ascending = sorted(days)
    # how many ratings there are from each day on
    later = list(accumulate(n for _, n in reversed(ascending)))[::-1]
    total = later[0] if later else 0
    shares = {"test": settings.test_fraction, "validation": settings.validation_fraction}
    wanted = [name for name, share in shares.items() if share]
    if len(ascending) <= len(wanted):
        raise DataError(
            "split.strategy temporal",
            expected="more days with ratings than parts",
            found=f"{len(ascending)} days ({total:,} ratings with a timestamp)",
            hint="another split.strategy, or split.validation_fraction=0",
        )
    found: dict[str, date | None] = {"test": None, "validation": None}
    end, held_out = len(ascending), 0.0
    for number, name in enumerate(wanted):
        held_out += shares[name]
        # a day is left for each part before this one
        possible = range(len(wanted) - number, end)
        end = min(possible, key=lambda start: (abs(later[start] - held_out * total), start))
        found[name] = ascending[end][0]
    return Cuts(found["validation"], found["test"])


def by_time(ratings: DataFrame, cuts: Cuts, settings: SplitSettings) -> DataFrame:
    """The parts one after the other in time; ratings without a time are only ever trained on.

    Args:
        ratings: `timestamp` (UTC session).
        cuts: where the parts begin.
        settings: `gap`, the days before each later part that belong to none.
    """
    day, part = F.to_date("timestamp"), F.lit("train")
    for name, start in (("validation", cuts.validation), ("test", cuts.test)):
        if start is None:
            continue
        if settings.gap:
            part = F.when(day >= F.lit(start - timedelta(days=settings.gap)), "gap").otherwise(part)
        part = F.when(day >= F.lit(start), name).otherwise(part)
    return ratings.withColumn("part", part)


_BY_KEY: Mapping[str, Callable[[DataFrame, SplitSettings], DataFrame]] = {
    "random": random_split,
    "random_per_user": random_per_user,
    "leave_last": leave_last,
    "held_out_users": held_out_users,
}


def uniform_hash(*columns: str, seed: int) -> Column:
    """A number in [0, 1) that depends on the columns' text and the seed only (xxHash64, 53 bits)."""
    key = F.xxhash64(F.lit(seed), *(F.col(c).cast("string") for c in columns))
    return F.pmod(key, F.lit(2**53)) / F.lit(2.0**53)
