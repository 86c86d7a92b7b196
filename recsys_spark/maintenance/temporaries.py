"""Small files that were written beside their place and never got their name, because the job was killed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from recsys_spark.maintenance.leftovers import Leftover
from recsys_spark.storage import Folder

RUN_ID = r"\d{8}T\d{6}-[0-9a-f]{6}"
"""As `Run.start` makes it."""

_UNNAMED = re.compile(rf"\..+\.[0-9a-f]{{32}}|\.current\.{RUN_ID}|\.best\.yaml")
"""Those of `Folder.write_text`, the links of the Parquet sink, and the configuration that a search has found."""

_COMMIT_IN_THE_MAKING = re.compile(r"\.+\d{20}\.(json|checkpoint)\..*tmp(\.crc)?")


def unnamed_files(output: Folder) -> Iterator[Leftover]:
    """Those in the output folder itself and in the folders two levels below it, which hold all small files."""
    for folder in _folders(output):
        for name in folder.children():
            if _UNNAMED.fullmatch(name):
                yield Leftover("temporaries", folder / name)


def unmade_commits(table: Folder) -> Iterator[Leftover]:
    """Commits of a Delta table that were never made."""
    for name in (table / "_delta_log").children():
        if _COMMIT_IN_THE_MAKING.fullmatch(name):
            yield Leftover("temporaries", table / "_delta_log" / name)


def _folders(output: Folder) -> Iterator[Folder]:
    yield output
    for name in output.subfolders():
        yield output / name
        if name in ("_work", "tuning", "state"):
            yield from (output / name / inner for inner in (output / name).subfolders())
