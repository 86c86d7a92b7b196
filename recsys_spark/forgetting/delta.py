"""Rows taken out of Delta tables, and with them every older version that still has them.

A table that holds such rows is overwritten by the others in one commit; a reader sees it before or after. The commit
names no id, as a DELETE by condition would. Then the files that the new version does not need are deleted at once,
without the days of grace that VACUUM gives: who still reads an older version has to start again.

A commit of ours names the run that the one before names, as the sink asks the newest commit which run is visible.

The log itself says nothing of ids as long as files have no statistics of their columns, which `DeltaSink` sees to. The
entries of a table that was made without that are deleted behind a checkpoint. So are those of a table with a change
feed, whose older changes are files that go, too: who asks for them is told that there is no such version.
"""

from __future__ import annotations

import posixpath
from urllib.parse import unquote, urlparse

import pyarrow.fs as pafs
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from recsys_spark.errors import DataError
from recsys_spark.ingest.forgotten import Forgotten, without_forgotten, without_lines
from recsys_spark.publishing.delta import NO_STATISTICS, run_named
from recsys_spark.schemas import TOP_USERS
from recsys_spark.storage import Folder

LOG = "_delta_log"
CHECKPOINTS = "delta.checkpointInterval"
FEED = "delta.enableChangeDataFeed"
USER_METADATA = "spark.databricks.delta.commitInfo.userMetadata"


def delta_tables(output: Folder) -> list[str]:
    """The names of the Delta tables directly under a folder."""
    return [name for name in output.children() if (output / name / LOG).exists()]


class DeltaTable:
    """One table that may hold rows of users.

    Args:
        spark: a session that knows Delta.
        place: the table's folder.
        name: the table's.
    """

    def __init__(self, spark: SparkSession, place: Folder, name: str) -> None:
        self._spark, self._place, self._name = spark, place, name

    def erase(self, forgotten: Forgotten) -> int:
        """Take the rows of forgotten users out of the table and all that is kept of it; gives how many there were.

        A table that says nothing of users is left alone, with its history.

        Raises:
            DataError: a file that the current version needs is not there: better nothing is deleted then.
        """
        rows = self._rows()
        kept = _kept(rows, self._name, forgotten)
        if kept is None:
            return 0
        named = run_named(self._spark, str(self._place))
        if named is not None:
            self._spark.conf.set(USER_METADATA, named)
        try:
            n_doomed = rows.count() - kept.count()
            if n_doomed:
                self._overwrite(kept)
            unneeded, properties = self._unneeded(), self._properties()
            has_statistics = self._log_has_statistics(properties)
            if has_statistics:
                self._drop_statistics()
                unneeded = self._unneeded()
            if cut := has_statistics or (bool(unneeded) and properties.get(FEED) == "true"):
                self._make_checkpoint()
        finally:
            self._spark.conf.unset(USER_METADATA)
        if cut:
            # before the files: a job that is stopped in between finds them the next time, and does both again
            self._cut_log()
        for path in unneeded:
            self._place.arrow[0].delete_file(path)
        return n_doomed

    def _unneeded(self) -> list[str]:
        """The files that the current version does not need, changes of earlier ones among them.

        Raises:
            DataError: one that it needs is not there.
        """
        files, root = self._place.arrow
        found = files.get_file_info(pafs.FileSelector(root, recursive=True))
        log = posixpath.join(root, LOG)
        data = {f.path for f in found if f.type == pafs.FileType.File and not f.path.startswith(f"{log}/")}
        needed = {_path_of(uri, root) for uri in self._rows().inputFiles()}
        if needed - data:
            example = f"{len(needed - data)} that are not there, such as {sorted(needed - data)[0]}"
            raise DataError(self._name, expected="the files that its log names", found=example)
        # Hadoop's checksums of local files
        needed |= {posixpath.join(posixpath.dirname(f), f".{posixpath.basename(f)}.crc") for f in needed}
        return sorted(data - needed)

    def _log_has_statistics(self, properties: dict[str, str]) -> bool:
        """Whether a table was made without our properties, or its log has entries from that time."""
        if not set(NO_STATISTICS.items()) <= set(properties.items()):
            return True
        files, log = (self._place / LOG).arrow
        entries = (f.path for f in files.get_file_info(pafs.FileSelector(log)) if f.extension == "json")
        return any(b"minValues" in files.open_input_stream(path).read() for path in entries)

    def _drop_statistics(self) -> None:
        """Write the files anew without statistics."""
        self._set(NO_STATISTICS)
        self._overwrite(self._rows())

    def _make_checkpoint(self) -> None:
        before = self._properties().get(CHECKPOINTS)
        # from now on every commit makes a checkpoint, this one too
        self._set({CHECKPOINTS: "1"})
        if before is None:
            self._spark.sql(f"ALTER TABLE delta.`{self._place}` UNSET TBLPROPERTIES ('{CHECKPOINTS}')")
        else:
            self._set({CHECKPOINTS: before})

    def _cut_log(self) -> None:
        """Delete the entries before the newest checkpoint."""
        files, log = (self._place / LOG).arrow
        newest = (self._place / LOG).read_json("_last_checkpoint")["version"]
        for file in files.get_file_info(pafs.FileSelector(log)):
            version = file.base_name.lstrip(".").partition(".")[0]
            if version.isdigit() and int(version) < newest:
                files.delete_file(file.path)

    def _rows(self) -> DataFrame:
        return self._spark.read.format("delta").load(str(self._place))

    def _overwrite(self, rows: DataFrame) -> None:
        rows.write.format("delta").mode("overwrite").save(str(self._place))

    def _properties(self) -> dict[str, str]:
        detail = self._spark.sql(f"DESCRIBE DETAIL delta.`{self._place}`").select("properties").collect()[0]
        return dict(detail["properties"])

    def _set(self, properties: dict[str, str]) -> None:
        given = ", ".join(f"'{key}' = '{value}'" for key, value in properties.items())
        self._spark.sql(f"ALTER TABLE delta.`{self._place}` SET TBLPROPERTIES ({given})")


def _kept(rows: DataFrame, name: str, forgotten: Forgotten) -> DataFrame | None:
    """The rows of all other users; none: the table says nothing of users."""
    if {"raw", "reason"} <= set(rows.columns):
        # what is no JSON are the lines that could not be split
        others = rows.where(F.col("reason") != "malformed_row")
        named = without_forgotten(others, F.get_json_object("raw", "$.user"), forgotten)
        return named.unionByName(without_lines(rows.where(F.col("reason") == "malformed_row"), "raw", forgotten))
    if "user_id" not in rows.columns:
        return None
    kept = without_forgotten(rows, "user_id", forgotten)
    return kept.withColumn("rank", _rank()) if name == TOP_USERS.name else kept


def _rank() -> Column:
    """The ranks in lists of users, which have no gaps."""
    return F.row_number().over(Window.partitionBy("item_id").orderBy("rank")).cast("int")


def _path_of(uri: str, root: str) -> str:
    """The path of a file below `root`, as pyarrow lists it."""
    path = unquote(urlparse(uri).path)
    # a bucket is a part of pyarrow's paths, and of a URI's authority
    return path if path.startswith(f"{root}/") else posixpath.join(urlparse(uri).netloc, path.lstrip("/"))
