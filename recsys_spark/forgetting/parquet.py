"""Rows taken out of Parquet files, one file at a time.

A file that holds such a row is written anew beside and takes the old one's place by one rename, so that a reader finds
the one or the other, and a job that is stopped goes on with the next file. All other files are left alone; what they
say of themselves (least and greatest values) is made of their own rows.
"""

from __future__ import annotations

import json
import posixpath
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from recsys_spark.ingest.forgotten import Forgotten
from recsys_spark.kernels.arrays import Flags
from recsys_spark.publishing.parquet import LINK
from recsys_spark.schemas import TOP_USERS
from recsys_spark.storage import Folder

UNFINISHED = ".forgetting-"
"""What the names of files begin with that are being written; readers skip hidden files."""

Judge = Callable[[pa.Table], Flags]
"""Which rows are to go."""


@dataclass
class Removed:
    """What has been done to files, by the table that they belong to."""

    rows: dict[str, int] = field(default_factory=dict)
    files: int = 0

    def count(self, table: str, rows: int) -> None:
        """Take one rewritten file in."""
        self.rows[table] = self.rows.get(table, 0) + rows
        self.files += 1


def parquet_below(folder: Folder, *, but: tuple[str, ...] = ()) -> Iterator[str]:
    """The Parquet files anywhere below a folder, hidden ones, too, as pyarrow names them; removes our own leftovers.

    What the links `current` lead to is left out: it lies below, too, by its own name.

    Args:
        folder: where to look.
        but: names directly in the folder that are left out.
    """
    files, path = folder.arrow
    for name in folder.children():
        if name in but:
            continue
        found = files.get_file_info(f"{path}/{name}")
        inside = [found]
        if found.type == pafs.FileType.Directory:
            inside = files.get_file_info(pafs.FileSelector(found.path, recursive=True))
        for file in sorted(inside, key=lambda f: f.path):
            if LINK in file.path.removeprefix(path).split("/"):
                continue
            if file.base_name.startswith(UNFINISHED):
                files.delete_file(file.path)
            elif file.type == pafs.FileType.File and file.path.endswith(".parquet"):
                yield file.path


def take_out(files: pafs.FileSystem, path: str, judge: Judge) -> int:
    """Write a Parquet file anew without some of its rows, if it has such; gives how many.

    Columns, types, their comments and what Spark has noted of them stay. Holds one row group at a time; of lists of
    users the whole file, as those who come after a user move up.
    """
    with pq.ParquetFile(path, filesystem=files, coerce_int96_timestamp_unit="us") as old:
        doomed = [judge(old.read_row_group(group)) for group in range(old.num_row_groups)]
        n_doomed = int(sum(flags.sum() for flags in doomed))
        if not n_doomed:
            return 0
        unfinished = posixpath.join(posixpath.dirname(path), f"{UNFINISHED}{uuid.uuid4().hex}")
        old_style = any(old.schema.column(i).physical_type == "INT96" for i in range(len(old.schema)))
        with pq.ParquetWriter(
            unfinished, old.schema_arrow, filesystem=files, use_deprecated_int96_timestamps=old_style
        ) as new:
            kept = (old.read_row_group(group).filter(pa.array(~flags)) for group, flags in enumerate(doomed))
            for rows in [_moved_up(pa.concat_tables(kept))] if _has_lists_of_users(old.schema_arrow) else kept:
                new.write_table(rows)
    _remove_checksum(files, path)
    files.move(unfinished, path)
    return n_doomed


def naming(forgotten: Forgotten, column: str, found: set[str] | None = None) -> Judge:
    """Judges rows by an id; puts the hashes of those that are to go into `found`."""
    named = cache(forgotten.names)

    def judge(rows: pa.Table) -> Flags:
        ids = rows.column(column)
        gone = [i for i in pc.unique(ids).to_pylist() if i is not None and named(i)]
        if found is not None:
            found.update(map(forgotten.hash_of, gone))
        return np.asarray(pc.is_in(ids, pa.array(gone, ids.type)).to_numpy(), np.bool_)

    return judge


def quarantined(forgotten: Forgotten) -> Judge:
    """Judges rows of a quarantine by what they keep of the source's."""

    def named(raw: str | None, reason: str) -> bool:
        if raw is None:
            return False
        return forgotten.named_in(raw) if reason == "malformed_row" else forgotten.names(json.loads(raw).get("user"))

    def judge(rows: pa.Table) -> Flags:
        pairs = zip(rows.column("raw").to_pylist(), rows.column("reason").to_pylist(), strict=True)
        return np.array([named(*pair) for pair in pairs], np.bool_)

    return judge


def judge_of(forgotten: Forgotten, files: pafs.FileSystem, path: str) -> Judge | None:
    """How the rows of a published file are judged, by the names of its columns; none: it says nothing of users."""
    names = pq.read_schema(path, filesystem=files).names
    if "user_id" in names:
        return naming(forgotten, "user_id")
    return quarantined(forgotten) if {"raw", "reason"} <= set(names) else None


def _has_lists_of_users(schema: pa.Schema) -> bool:
    return {column.name for column in TOP_USERS.columns} == set(schema.names)


def _moved_up(lists: pa.Table) -> pa.Table:
    """The ranks of each item's list from 1 on, without gaps."""
    items, ranks = lists.column("item_id").combine_chunks().dictionary_encode().indices.to_numpy(), lists.column("rank")
    order = np.lexsort((ranks.to_numpy(), items))
    first = np.flatnonzero(np.diff(items[order], prepend=-1))
    starts = np.repeat(first, np.diff(first, append=len(order)))
    moved = np.empty(len(order), np.int32)
    moved[order] = np.arange(len(order)) - starts + 1
    place = lists.schema.get_field_index("rank")
    return lists.set_column(place, lists.schema.field(place), pa.array(moved, lists.schema.field(place).type))


def _remove_checksum(files: pafs.FileSystem, path: str) -> None:
    """Hadoop keeps one beside each local file, and would refuse the new content."""
    checksum = posixpath.join(posixpath.dirname(path), f".{posixpath.basename(path)}.crc")
    if files.get_file_info(checksum).type == pafs.FileType.File:
        files.delete_file(checksum)
