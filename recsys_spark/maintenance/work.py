"""The private folders of stages: the newest finished ones stay."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Set
from datetime import datetime

from recsys_spark.ingest.ingested import RECORD
from recsys_spark.job import SCORED
from recsys_spark.maintenance.leftovers import Leftover
from recsys_spark.storage import Folder

_STAGE = re.compile(r"(?P<stage>[a-z_]+)-.+")


def old_stages(work: Folder, *, needed: Set[str], keep: int) -> Iterator[Leftover]:
    """Every folder without a record, and the finished ones of each stage but for the newest.

    Args:
        work: the folder of all stages' folders.
        needed: names of finished folders that stay.
        keep: how many finished folders of each stage stay, the newest, if not more are needed.
    """
    finished: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for name in work.children():
        stage = _STAGE.fullmatch(name)
        if stage is None:
            continue
        written = (work / name / RECORD).contents().changed
        if written is None:
            yield Leftover("stages", work / name)
        else:
            finished[stage["stage"]].append((written, name))
    for folders in finished.values():
        for _, name in sorted(folders, reverse=True)[keep:]:
            if name not in needed:
                yield Leftover("stages", work / name, record=RECORD)


def stages_of_visible_run(state: Folder) -> set[str]:
    """The folders in which the visible run was staged: the next one may start from its lists."""
    places: dict[str, str] = state.read_json(SCORED) or {}
    return {place.rpartition("/")[2] for name, place in places.items() if name != "run_id"}


def models_of_stages(work: Folder) -> set[str]:
    """The artefacts that finished stages name."""
    records = (work / name for name in work.children() if _STAGE.fullmatch(name))
    found = (folder.read_json(RECORD) for folder in records)
    return {str(record["model_id"]) for record in found if isinstance(record, dict) and record.get("model_id")}
