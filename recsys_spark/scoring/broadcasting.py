"""How a value reaches the executors. The only place that uses `sparkContext`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pyspark.sql import SparkSession

T = TypeVar("T")


def shipped(spark: SparkSession, value: T) -> Callable[[], T]:
    """A function that gives the value back, on the driver and in every Python worker (which unpickles it once)."""
    holder = spark.sparkContext.broadcast(value)

    def fetch() -> T:
        return holder.value

    return fetch
