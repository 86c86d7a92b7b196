"""The only place that builds a SparkSession."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import mkdtemp

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recsys_spark.connect import REMOTE, connected_session, is_connect
from recsys_spark.errors import ConfigError
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

    With `SPARK_REMOTE` it is one of Spark Connect, with a few things less: see `connect`.

    Args:
        app_name: shown in Spark's pages.
        delta: whether the session must know Delta tables (its jars are then expected on the class path).

    Raises:
        ConfigError: Delta is wanted and not on the class path.
    """
    wanted = {**SETTINGS, **(DELTA_SETTINGS if delta else {})}
    if os.environ.get(REMOTE):
        spark = connected_session(app_name, wanted, delta=delta)
        given = spark.conf.getAll
    else:
        given = _given_settings()
        spark = _classic_session(app_name, wanted, given, delta=delta)
        _ship_wheel(spark)
    if "spark.sql.shuffle.partitions" not in given:
        spark.conf.set("spark.sql.shuffle.partitions", str(max(4, 2 * default_parallelism(spark))))
    return spark


def default_parallelism(spark: SparkSession) -> int:
    """Tasks that the session runs at the same time, as far as it knows yet. Over Spark Connect a small job tells."""
    if not is_connect(spark):
        return spark.sparkContext.defaultParallelism
    # nothing else tells it there: a range has a partition for each task, if nobody says how many
    return spark.range(1 << 16).select(F.spark_partition_id()).distinct().count()


def _classic_session(
    app_name: str, wanted: Mapping[str, str], given: Mapping[str, str], *, delta: bool
) -> SparkSession:
    """A session with a JVM of its own.

    Args:
        app_name: shown in Spark's pages.
        wanted: settings.
        given: those that are set already, and stay.
        delta: whether it must know Delta tables.
    """
    builder = SparkSession.builder.appName(app_name)
    if given.get("spark.master", "").startswith("local") and "spark.pyspark.python" not in given:
        # else Spark starts its workers with the first python3 of the path, which need not have our packages
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if delta and "spark.sql.extensions" not in given:
        _require_on_class_path(DELTA_SETTINGS["spark.sql.extensions"])
    for key, value in wanted.items():
        if key not in given:
            builder = builder.config(key, value)
    return builder.getOrCreate()


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


def _given_settings() -> dict[str, str]:
    """The settings that spark-submit has passed to the JVM."""
    # a SparkConf made before there is a JVM knows nothing of spark-submit
    SparkContext._ensure_initialized()
    return dict(SparkConf().getAll())


def _require_on_class_path(java_class: str) -> None:
    """Without this Spark would only warn of an extension that is missing, and fail at the first table."""
    jvm = SparkContext._jvm
    assert jvm is not None
    try:
        jvm.java.lang.Class.forName(java_class, False, jvm.Thread.currentThread().getContextClassLoader())
    except Py4JJavaError:
        raise ConfigError(
            "output.format",
            expected="Delta's jars on Spark's class path",
            found=f"no class {java_class}",
            hint=f"spark-submit.sh brings them; with another start PYSPARK_SUBMIT_ARGS='--packages {_delta_package()} "
            "pyspark-shell' lets Spark fetch them, --jars A.jar,B.jar names local ones; --set output.format=parquet "
            "needs none",
        ) from None


def _delta_package() -> str:
    """The Maven coordinates of Delta for the Spark and the Delta of this Python."""
    spark = ".".join(version("pyspark").split(".")[:2])
    try:
        delta = version("delta-spark")
    except PackageNotFoundError:
        delta = "VERSION"
    return f"io.delta:delta-spark_{spark}_2.13:{delta}"


def _ship_wheel(spark: SparkSession) -> None:
    """Let executors import from a wheel of `--py-files`: Spark sends them the file, but lets only zips be imported."""
    wheel = next((folder for folder in Path(__file__).parents if folder.suffix == ".whl"), None)
    if wheel is None:
        return
    folder = mkdtemp(prefix="recsys-wheel-")  # executors that come later fetch it later
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    spark.sparkContext.addPyFile(shutil.copy(wheel, f"{folder}/{wheel.stem}.zip"))
