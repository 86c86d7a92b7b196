"""The sinks by the name of their format."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyspark.sql import SparkSession

from recsys_spark.publishing.delta import DeltaSink
from recsys_spark.publishing.parquet import ParquetSink
from recsys_spark.publishing.sink import Sink
from recsys_spark.schemas import PinnedIds
from recsys_spark.storage import Folder

SINKS: Mapping[str, Callable[[SparkSession, Folder, PinnedIds, str], Sink]] = {
    "delta": DeltaSink,
    "parquet": ParquetSink,
}
