"""The only place that builds a SparkSession."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from recsys_spark.secret import SPARK_REDACTION

DELTA_SETTINGS = {
    # in event logs and Spark's pages
    "spark.redaction.regex": SPARK_REDACTION,
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    # our tables are small in files: with the default of 50 every commit runs 50-task stages
    "spark.databricks.delta.snapshotPartitions": "2",
    # some readers do not know deletion vectors
    "spark.databricks.delta.properties.defaults.enableDeletionVectors": "false",
}

SETTINGS = {
    # in event logs and Spark's pages
    "spark.redaction.regex": SPARK_REDACTION,
    "spark.sql.session.timeZone": "UTC",
    # rows in these jobs are a user with lists: batches are bounded by bytes as well as by rows
    "spark.sql.execution.arrow.maxBytesPerBatch": "64m",
    # a broadcast join collects its small side on the driver: keep that below any sensible maxResultSize
    "spark.sql.autoBroadcastJoinThreshold": "2m",
}


def build_session(app_name: str, *, delta: bool) -> SparkSession:
    """A session with our settings, where spark-submit and the cluster have not set their own.

    Args:
        app_name: shown in Spark's pages.
        delta: whether the session must know Delta tables (its jars are then expected on the class path).
    """
    builder = SparkSession.builder.appName(app_name)
    wanted = {**SETTINGS, **(DELTA_SETTINGS if delta else {})}
    given = _given_settings()
    for key, value in wanted.items():
        if key not in given:
            builder = builder.config(key, value)
    spark = builder.getOrCreate()
    if "spark.sql.shuffle.partitions" not in given:
        spark.conf.set("spark.sql.shuffle.partitions", str(max(4, 2 * spark.sparkContext.defaultParallelism)))
    return spark


@contextmanager
def session_settings(spark: SparkSession, wanted: Mapping[str, str]) -> Iterator[None]:
    """Within this the session has these settings; afterwards its own again.

    For what Spark and Delta know for a session only, and not for one read or command.
    """
    before = {key: spark.conf.get(key, None) for key in wanted}
    try:
        for key, value in wanted.items():
            spark.conf.set(key, value)
        yield
    finally:
        for key, own in before.items():
            if own is None:
                spark.conf.unset(key)
            else:
                spark.conf.set(key, own)


def _given_settings() -> set[str]:
    """The names of the settings that spark-submit has passed to the JVM."""
    # a SparkConf made before there is a JVM knows nothing of spark-submit
    SparkContext._ensure_initialized()
    return {key for key, _ in SparkConf().getAll()}
