"""Deterministic train, validation and test parts.

A row's part depends on nothing but its key and a seed: not on its position, its partition or the cluster.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.ingest.settings import SplitSettings

PARTS = ("train", "validation", "test")


def random_split(ratings: DataFrame, settings: SplitSettings) -> DataFrame:
    """Add the column `part` by a hash of user, item and seed.

    Args:
        ratings: accepted ratings; needs `user_id`, `item_id`.
        settings: fractions and seed.

    Returns:
        The same rows with `part`, one of `PARTS`.
    """
    draw = uniform_hash("user_id", "item_id", seed=settings.seed)
    validation_below = settings.test_fraction + settings.validation_fraction
    part = F.when(draw < settings.test_fraction, "test").when(draw < validation_below, "validation")
    return ratings.withColumn("part", part.otherwise("train"))


def uniform_hash(*columns: str, seed: int) -> Column:
    """A number in [0, 1) that depends on the columns' text and the seed only (xxHash64, 53 bits)."""
    key = F.xxhash64(F.lit(seed), *(F.col(c).cast("string") for c in columns))
    return F.pmod(key, F.lit(2**53)) / F.lit(2.0**53)
