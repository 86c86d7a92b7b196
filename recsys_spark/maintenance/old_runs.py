"""Which runs the tables may forget: those that never became visible, and those beyond the history."""

from __future__ import annotations

from collections.abc import Iterable, Set
from datetime import UTC, datetime

from recsys_spark.publishing.sink import Sink
from recsys_spark.schemas import METRICS, RUNS, TOP_N_HISTORY, TRIALS, USER_OUTCOMES, TableSchema
from recsys_spark.storage import Folder

KEPT_FOR_HISTORY = (TOP_N_HISTORY, USER_OUTCOMES, TRIALS)
"""Tables that hold the last runs only."""

WRITTEN_BEFORE_PUBLISHING = (TOP_N_HISTORY, USER_OUTCOMES, METRICS)
"""Tables to which a run adds its rows before it becomes visible: one that is killed in between leaves them there."""

TABLES = tuple(dict.fromkeys((*KEPT_FOR_HISTORY, *WRITTEN_BEFORE_PUBLISHING)))
"""All of these."""


def recorded_runs(sink: Sink, summaries: Folder) -> frozenset[str]:
    """The runs that came to their end: those of the ledger, and those whose summary tells of no error.

    The driver collects an id for each night.
    """
    ledger = sink.read(RUNS)
    entered = [] if ledger is None else [str(row["run_id"]) for row in ledger.select("run_id").collect()]
    ended = [name.removesuffix(".json") for name in summaries.children() if name.endswith(".json")]
    known = set(entered)
    told = {run_id for run_id in ended if run_id not in known and _is_well(summaries.read_json(f"{run_id}.json"))}
    return frozenset(known | told)


def runs_to_forget(
    table: TableSchema,
    runs: Iterable[str],
    *,
    recorded: Set[str],
    visible: str | None,
    keep: int,
    before: datetime,
) -> list[str]:
    """Those of a table's runs whose rows may go.

    Args:
        table: one with rows of several runs.
        runs: whose rows it holds.
        recorded: the runs that came to their end.
        visible: the run that readers see; it never goes.
        keep: runs that the history holds.
        before: a run that began later may be at work.
    """
    known = sorted(runs)
    unended = table in WRITTEN_BEFORE_PUBLISHING
    forgotten = {run_id for run_id in known if unended and run_id not in recorded and _began(run_id) < before}
    if table in KEPT_FOR_HISTORY:
        forgotten |= set([run_id for run_id in known if run_id not in forgotten][:-keep])
    return sorted(forgotten - {visible})


def _is_well(summary: object) -> bool:
    return isinstance(summary, dict) and summary.get("error") is None


def _began(run_id: str) -> datetime:
    """When the attempt began, which its id tells; an id of another kind is taken for one of today."""
    try:
        return datetime.strptime(run_id.partition("-")[0], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return datetime.now(UTC)
