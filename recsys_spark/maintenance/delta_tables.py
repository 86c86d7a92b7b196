"""Delta tables: rows of old runs, small files made into large ones, files that no version needs.

Nothing here changes `top_n` but for files that none of its versions needs, so that its newest commit goes on naming the
visible run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import unquote

from pyspark.sql import SparkSession

from recsys_spark.maintenance.leftovers import Leftover
from recsys_spark.publishing.delta import is_table
from recsys_spark.schemas import METRICS, RUNS, TOP_N_HISTORY, TRIALS, USER_LISTS, USER_OUTCOMES
from recsys_spark.session import default_parallelism, session_settings
from recsys_spark.storage import Folder

GROWING = (METRICS, RUNS, TOP_N_HISTORY, USER_OUTCOMES, TRIALS, USER_LISTS)
"""Tables to which runs add files, if only by changing some rows. All others are written anew each time."""

SMALL_FILE = 32 * 2**20
"""Bytes; files below are put together."""

_LOG = "_delta_log"


class DataFiles(NamedTuple):
    """The data files in a table's folder."""

    needed: dict[str, int]
    """Bytes of each file of the newest version, by its path in the folder."""

    others: dict[str, datetime | None]
    """When each other file was written, by its path in the folder; none: the file system does not say."""


def never_committed(folder: Folder) -> Iterator[Leftover]:
    """The folder of a table whose first commit was never made."""
    if _LOG in folder.subfolders() and not is_table(folder):
        yield Leftover("temporaries", folder)


def emptied_partitions(folder: Folder) -> Iterator[Leftover]:
    """Folders of partitions that hold no file any more."""
    for name in folder.subfolders():
        if "=" in name and not (folder / name).contents().files:
            yield Leftover("temporaries", folder / name)


def forget_runs(spark: SparkSession, folder: Folder, run_ids: Sequence[str]) -> None:
    """Drop the rows of some runs in one commit."""
    names = ", ".join(f"'{run_id}'" for run_id in run_ids)
    spark.sql(f"DELETE FROM delta.`{folder}` WHERE run_id IN ({names})")


def compact(spark: SparkSession, folder: Folder, *, most: int) -> tuple[int, int] | None:
    """Put small files together, if some partition has too many of them.

    Args:
        spark: the session.
        folder: of the table.
        most: small files that a partition may have.

    Returns:
        How many files there were and are; none: nothing was done.
    """
    before = data_files(spark, folder).needed
    small = Counter(path.rpartition("/")[0] for path, n_bytes in before.items() if n_bytes < SMALL_FILE)
    if max(small.values(), default=0) <= most:
        return None
    with session_settings(spark, {"spark.databricks.delta.optimize.minFileSize": str(SMALL_FILE)}):
        spark.sql(f"OPTIMIZE delta.`{folder}`")
    return len(before), len(data_files(spark, folder).needed)


@contextmanager
def ready_to_vacuum(spark: SparkSession) -> Iterator[None]:
    """Within this a VACUUM does what is asked for here, in a time that suits small tables."""
    wanted = {
        # by default it lists the files in 10,000 tasks
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": str(default_parallelism(spark)),
        # that nobody reads older versions was confirmed by a setting of our own
        "spark.databricks.delta.retentionDurationCheck.enabled": "false",
        # no commits that say so: with them each one would leave two files in the log
        "spark.databricks.delta.vacuum.logging.enabled": "false",
    }
    with session_settings(spark, wanted):
        yield


def vacuum(spark: SparkSession, folder: Folder, *, hours: float, now: datetime) -> tuple[int, int]:
    """Remove the files that no version of the last hours needs. Where there can be none, Spark is not asked.

    Args:
        spark: the session, ready to vacuum.
        folder: of the table.
        hours: of grace for readers of older versions.
        now: the end of these hours.

    Returns:
        How many files have gone, and how many bytes.
    """
    others = data_files(spark, folder).others
    if not any(written is None or written <= now - timedelta(hours=hours) for written in others.values()):
        return 0, 0
    before = folder.contents()
    spark.sql(f"VACUUM delta.`{folder}` RETAIN {hours:f} HOURS")
    # the folders of partitions that it has emptied it would remove the next time only
    for name in {path.partition("/")[0] for path in others if "/" in path}:
        if not (folder / name).contents().files:
            (folder / name).delete()
    return len(others) - len(data_files(spark, folder).others), before.bytes - folder.contents().bytes


def data_files(spark: SparkSession, folder: Folder) -> DataFiles:
    """The data files in the folder, told apart by whether the newest version needs them. One name for each file."""
    # names of files are unique in a table
    current = {unquote(uri).rpartition("/")[2] for uri in spark.read.format("delta").load(str(folder)).inputFiles()}
    needed: dict[str, int] = {}
    others: dict[str, datetime | None] = {}
    for path, info in folder.files():
        name = path.rpartition("/")[2]
        if path.startswith(f"{_LOG}/") or name.startswith((".", "_")):
            continue
        if name in current:
            needed[path] = info.bytes
        else:
            others[path] = info.changed
    return DataFiles(needed, others)
