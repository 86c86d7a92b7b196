"""Parquet tables: run folders that nobody is shown any more, and parts that were never finished.

Nothing is compacted: each run has a folder of its own, and what belongs together was written together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Set

from recsys_spark.layouts import POINTER
from recsys_spark.maintenance.leftovers import Leftover
from recsys_spark.maintenance.temporaries import RUN_ID
from recsys_spark.schemas import ALL_TABLES, TableSchema
from recsys_spark.storage import Folder


def old_run_folders(output: Folder, *, recorded: Set[str], keep: int) -> Iterator[Leftover]:
    """Folders of runs that are not visible: all but the newest that came to their end.

    Args:
        output: the output folder.
        recorded: the runs that came to their end.
        keep: how many of them stay, for readers who opened one when it was visible.
    """
    shown = _shown(output)
    published = output / "published"
    names = published.subfolders()
    ended = [name for name in names if name in recorded]
    for name in names:
        if name not in shown and name not in ended[-keep:]:
            yield Leftover("runs", published / name)


def parts_of_runs(output: Folder, table: TableSchema, run_ids: Iterable[str]) -> Iterator[Leftover]:
    """The parts of some runs in a table with a part for each run."""
    for run_id in run_ids:
        yield Leftover("runs", output / table.name / f"run_id={run_id}", hidden_as=f"_unfinished-{run_id}")


def unfinished_parts(output: Folder) -> Iterator[Leftover]:
    """Parts that never got their name; of tables that belong to no night also the runs that are not shown."""
    for table in ALL_TABLES:
        place = output / table.name
        shown = (place.read_json(POINTER) or {}).get("run_id")
        for name in place.subfolders():
            if name.startswith("_unfinished-") or (re.fullmatch(RUN_ID, name) and name != shown):
                yield Leftover("temporaries", place / name)


def _shown(output: Folder) -> set[str]:
    """The run folders that the pointer names."""
    pointer = output.read_json(POINTER) or {"tables": {}}
    places = (place.split("/") for place in pointer["tables"].values())
    return {pointer.get("run_id"), *(place[1] for place in places if len(place) > 1)}
