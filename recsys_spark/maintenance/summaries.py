"""Files that are told of a run (summaries, reports, ...): the newest stay, and those of runs whose lists are kept."""

from __future__ import annotations

from collections.abc import Iterator, Set

from recsys_spark.maintenance.leftovers import Leftover
from recsys_spark.storage import Folder


def old_summaries(summaries: Folder, *, needed: Set[str], keep: int) -> Iterator[Leftover]:
    """The summaries that may go.

    Args:
        summaries: their folder; names sort by time.
        needed: runs whose summaries stay.
        keep: how many of all stay, the newest, if not more are needed.
    """
    names = [name for name in summaries.children() if name.endswith((".json", ".html")) and not name.startswith(".")]
    for name in reversed(names[::-1][keep:]):
        if name.rpartition(".")[0] not in needed:
            yield Leftover("summaries", summaries / name)
