"""The tables that an ingest leaves: encoded ratings, items, users, and the list of seen items of each user."""

from __future__ import annotations

from typing import Literal

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.ingest.encoding import typed_id
from recsys_spark.staged import read_staged
from recsys_spark.storage import Folder

PAIRS_IN_A_BLOCK = 1 << 26
"""Of the users in a block of seen lists with all items: a tenth of a second of dot products, seconds of deep models."""

FEWEST_IN_A_BLOCK, MOST_IN_A_BLOCK = 1024, 4096
"""Users: fewer make small files, more make few tasks."""


def in_training_order(encoded: DataFrame) -> DataFrame:
    """Ratings in the one order that training reads them in, whatever the partitioning was.

    Range-partitioned and sorted by user, item, timestamp and rating, so that the files in the order of their names
    give the rows in that order. The indices are called `user` and `item` here, as the training set has them.
    """
    rating = F.col("rating").cast("float").alias("rating")
    indices = (F.col("user_index").alias("user"), F.col("item_index").alias("item"))
    rows = encoded.select("user_id", "item_id", *indices, rating, "timestamp", "part")
    return rows.repartitionByRange("user").sortWithinPartitions("user", "item", "timestamp", "rating")


def read_training_set(spark: SparkSession, folder: Folder) -> DataFrame:
    """The stored training set, its indices as `user_index` and `item_index`."""
    rows = read_staged(spark, folder)
    return rows.withColumnsRenamed({"user": "user_index", "item": "item_index"})


def seen_pairs(ratings: DataFrame, others: DataFrame | None) -> DataFrame:
    """Every (user_index, item_index) seen, with `accepted`: from accepted ratings, and other rows with both ids."""
    pair = ("user_index", "item_index")
    accepted = ratings.select(*pair, F.lit(1).alias("accepted"))
    if others is None:
        return accepted
    return accepted.unionByName(others.select(*pair, F.lit(0).alias("accepted")))


def describe_ids(
    vocabulary: DataFrame, pairs: DataFrame, metadata: DataFrame, side: Literal["user", "item"], *, only_described: bool
) -> DataFrame:
    """One row for each id ever seen: its index, counts in this run, metadata, and whether the source knows it.

    Args:
        vocabulary: `id`, `index`, `first_seen_run`.
        pairs: from `seen_pairs`.
        metadata: `id` text, `title`, `attributes`.
        side: `user` or `item`.
        only_described: whether those without a row of metadata are not eligible (a `where` has left them out).

    Returns:
        `<side>_id`, `<side>_index`, `first_seen_run`, `n_ratings`, `in_source`, `title`, `attributes`, `eligible`.
    """
    index = f"{side}_index"
    counts = pairs.groupBy(F.col(index).alias("index")).agg(F.sum("accepted").alias("n_ratings"))
    described = metadata.withColumn("id", typed_id("id", vocabulary)).withColumn("described", F.lit(True))
    known = vocabulary.join(counts, on="index", how="left").join(described, on="id", how="left")
    is_described = F.col("described").isNotNull()
    in_source = F.col("n_ratings").isNotNull() | is_described
    return known.select(
        F.col("id").alias(f"{side}_id"),
        F.col("index").alias(index),
        "first_seen_run",
        F.coalesce("n_ratings", F.lit(0)).cast("long").alias("n_ratings"),
        in_source.alias("in_source"),
        "title",
        "attributes",
        (is_described if only_described else in_source).alias("eligible"),
    )


def seen_lists(
    users: DataFrame, pairs: DataFrame, barred: DataFrame | None = None, *, n_users: int, n_items: int
) -> DataFrame:
    """The scoring partitions: one row for each user of the run, in blocks of neighbouring indices.

    Args:
        users: `user_id`, `user_index`, `n_ratings`; only the users of the run.
        pairs: `user_index`, `item_index`, as from `seen_pairs`; repetition allowed.
        barred: `user_index`, `item_index` of pairs that must not be published; none: there are none.
        n_users: users of the vocabulary.
        n_items: items of the vocabulary.

    Returns:
        `user_id`, `user_index`, `n_ratings`, `seen`, `barred` (arrays of item indices, ascending, without repetition);
        a block is a partition, so that it is stored as a file.
    """
    in_order = F.sort_array(F.collect_set("item_index"))
    empty = F.array().cast("array<int>")
    rows = users.select("user_id", "user_index", "n_ratings").join(
        pairs.groupBy("user_index").agg(in_order.alias("seen")), on="user_index", how="left"
    )
    if barred is None:
        rows = rows.withColumn("barred", empty)
    else:
        of_user = barred.groupBy("user_index").agg(in_order.alias("barred"))
        rows = rows.join(of_user, on="user_index", how="left")
    lists = (F.coalesce(name, empty).alias(name) for name in ("seen", "barred"))
    in_block = users_in_a_block(n_items)
    block = F.floor(F.col("user_index") / in_block).cast("int")
    return (
        rows.select("user_id", "user_index", "n_ratings", *lists)
        .repartitionById(max(1, -(-n_users // in_block)), block)
        .sortWithinPartitions("user_index")
    )


def users_in_a_block(n_items: int) -> int:
    """How many user indices a block spans: a power of two that makes some `PAIRS_IN_A_BLOCK`, within bounds."""
    fitting = PAIRS_IN_A_BLOCK // max(1, n_items)
    return min(max(1 << max(0, fitting.bit_length() - 1), FEWEST_IN_A_BLOCK), MOST_IN_A_BLOCK)
