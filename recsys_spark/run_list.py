"""What became of the last runs, as lines of text: from rows of the ledger and from summaries, without Spark.

The ledger knows the runs that reached their end; the summaries know the attempts that did not, and how many warnings
each one had.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from recsys_spark.storage import Folder
from recsys_spark.text_table import TextColumn, text_table

COLUMNS = (
    TextColumn("run"),
    TextColumn("as of"),
    TextColumn("job"),
    TextColumn("status"),
    TextColumn("model"),
    TextColumn("users", "right"),
    TextColumn("rows", "right"),
    TextColumn("took", "right"),
    TextColumn("started (UTC)"),
    TextColumn("warnings", "right"),
)


@dataclass(frozen=True)
class PastRun:
    """One line of the table, and what stands below it."""

    run_id: str
    as_of: str
    job: str | None
    status: str
    model_id: str | None
    counts: dict[str, int]
    seconds: float | None
    started: datetime | None
    warnings: int | None
    note: str | None
    """Why it failed, or which run it brought back."""


def past_runs(ledger: Sequence[Mapping[str, Any]], summaries: Folder, *, most: int) -> list[PastRun]:
    """The newest runs: those of the ledger, and those attempts that a summary alone tells of.

    Jobs that publish no lists and ended well (`done`) are left out.

    Args:
        ledger: the newest rows of the table `runs`, `most` of them if there are as many; `counts` and `seconds` are
            mappings.
        summaries: a JSON file for each attempt.
        most: how many are given back.
    """
    entered = {str(row["run_id"]): row for row in ledger}
    told = {name.removesuffix(".json") for name in summaries.children() if name.endswith(".json")}
    found: list[PastRun] = []
    # ids sort by time
    for run_id in sorted(entered.keys() | told, reverse=True):
        summary = (summaries.read_json(f"{run_id}.json") or {}) if run_id in told else {}
        if run_id in entered:
            found.append(_of_ledger(entered[run_id], summary))
        elif summary.get("status") != "done":
            found.append(_of_summary(run_id, summary))
        if len(found) == most:
            break
    return found


def as_table(runs: list[PastRun], *, visible: str | None, width: int | None) -> str:
    """The table, with a star beside the run that readers see.

    Args:
        runs: in the order of the lines.
        visible: the run that readers see; none: no lists are published.
        width: of the terminal; none: notes are not cut.
    """
    rows = [list(_cells(run, starred=run.run_id == visible)) for run in runs]
    table = text_table(COLUMNS, rows, [run.note or "" for run in runs], width=width)
    if visible is None:
        return f"{table}\nno lists are published"
    if visible in {run.run_id for run in runs}:
        return f"{table}\n* what readers see"
    return f"{table}\nreaders see {visible}"


def readable_duration(seconds: float) -> str:
    """As a person says it: `41 s`, `3 min 05 s`, `1 h 02 min`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _of_ledger(row: Mapping[str, Any], summary: dict[str, Any]) -> PastRun:
    return PastRun(
        run_id=row["run_id"],
        as_of=row["as_of"].isoformat(),
        # a ledger of an earlier version of this package lacks some columns
        job=row.get("job") or summary.get("job"),
        status=row["status"],
        model_id=row["model_id"],
        counts=row["counts"],
        # the ledger's own stage cannot be in the ledger
        seconds=sum((summary.get("seconds") or row["seconds"]).values()),
        started=_began(row["run_id"]),
        warnings=len(summary["warnings"]) if "warnings" in summary else None,
        note=f"made {row['restored_run']} visible again" if row.get("restored_run") else None,
    )


def _of_summary(run_id: str, summary: dict[str, Any]) -> PastRun:
    error = summary.get("error")
    return PastRun(
        run_id=run_id,
        as_of=summary.get("as_of") or "",
        job=summary.get("job"),
        status=summary.get("status") or "",
        model_id=summary.get("model_id"),
        counts=summary.get("counts") or {},
        seconds=sum((summary.get("seconds") or {}).values()),
        started=_began(run_id),
        warnings=len(summary.get("warnings") or ()),
        note=" ".join(str(error["message"]).split()) if error else None,
    )


def _cells(run: PastRun, *, starred: bool) -> Iterator[str]:
    yield f"{run.run_id} *" if starred else run.run_id
    yield run.as_of
    yield run.job or ""
    yield run.status
    yield run.model_id or ""
    for count in ("users", "rows_published"):
        yield f"{run.counts[count]:,}" if count in run.counts else ""
    yield "" if run.seconds is None else readable_duration(run.seconds)
    yield "" if run.started is None else f"{run.started:%Y-%m-%d %H:%M}"
    yield "" if run.warnings is None else str(run.warnings)


def _began(run_id: str) -> datetime | None:
    """When the attempt began, which its id tells."""
    try:
        return datetime.strptime(run_id.partition("-")[0], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def terminal_width() -> int | None:
    """Columns of the terminal that stdout is; none: it is none."""
    return os.get_terminal_size().columns if sys.stdout.isatty() else None
