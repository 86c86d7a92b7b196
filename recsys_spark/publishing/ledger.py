"""The ledger `runs`: one row for each run that reached its end, and what it says about the run that readers see.

A run that publishes writes the row that it will enter to `state/publishing.json` first, and removes it when it has
entered it. So a start can tell what became of a run that died in between: if its lists are visible its row is entered,
else what it had added to other tables is removed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark import __version__
from recsys_spark.publishing.sink import Sink
from recsys_spark.publishing.summary import Summary
from recsys_spark.run import Run
from recsys_spark.schemas import RUNS, PinnedIds
from recsys_spark.spark_schema import from_arrow
from recsys_spark.storage import Folder

INTENT = "publishing.json"
"""In the folder `state`: what the run that is publishing right now will enter."""

PUBLISHED, HISTORY_ONLY, DONE = "published", "history_only", "done"
"""The statuses of the ledger."""


@dataclass(frozen=True)
class Entry:
    """One row of the ledger; see `schemas.RUNS`."""

    run_id: str
    as_of: date
    job: str | None
    status: str
    config_hash: str
    code_version: str
    started_at: datetime
    finished_at: datetime
    model_id: str | None = None
    fingerprint: str | None = None
    restored_run: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        run: Run,
        summary: Summary,
        *,
        job: str,
        fingerprint: str | None,
        config_hash: str,
        restored_run: str | None = None,
    ) -> Entry:
        """What a run enters now.

        Args:
            run: the attempt.
            summary: its counts, status, model and timings.
            job: its name.
            fingerprint: of the inputs; none where a source has none.
            config_hash: of the resolved configuration.
            restored_run: the earlier run that it made visible again.
        """
        return cls(
            run_id=run.run_id,
            as_of=run.as_of,
            job=job,
            status=summary.status,
            config_hash=config_hash,
            code_version=__version__,
            started_at=run.started_at,
            finished_at=datetime.now(UTC),
            model_id=summary.model_id,
            fingerprint=fingerprint,
            restored_run=restored_run,
            counts=dict(summary.counts),
            seconds=dict(summary.seconds),
        )

    def row(self, spark: SparkSession, ids: PinnedIds) -> DataFrame:
        """The row of the table."""
        maps = {"counts": list(self.counts.items()), "seconds": list(self.seconds.items())}
        return from_arrow(spark, pa.Table.from_pylist([asdict(self) | maps], RUNS.arrow(ids)))


def entry_of(sink: Sink, run_id: str) -> Entry | None:
    """What the ledger says of a run; none: nothing."""
    runs = sink.read(RUNS)
    if runs is None:
        return None
    for column in RUNS.columns:  # a ledger of an earlier version of this package may lack one
        if column.name not in runs.columns:
            runs = runs.withColumn(column.name, F.lit(None))
    row = runs.where(F.col("run_id") == run_id).head()
    return None if row is None else Entry(**{column.name: row[column.name] for column in RUNS.columns})


def visible_entry(sink: Sink) -> Entry | None:
    """What the ledger says of the run that readers see; none before the first one."""
    visible = sink.visible_run()
    return None if visible is None else entry_of(sink, visible)


def announce(state: Folder, entry: Entry, summary: Summary) -> None:
    """Write down what is about to be published and entered."""
    state.write_json(INTENT, {"entry": asdict(entry), "summary": summary.as_dict()})


def settle(state: Folder) -> None:
    """The run that was announced has been entered."""
    state.delete_file(INTENT)


@dataclass(frozen=True)
class Repair:
    """What a start has put right.

    Args:
        run_id: of the run that died while it published.
        was_visible: whether its lists were visible: then it is in the ledger now, else its rows are gone.
        summary: as it should have ended.
    """

    run_id: str
    was_visible: bool
    summary: dict[str, Any]


def repair(spark: SparkSession, sink: Sink, state: Folder, ids: PinnedIds) -> Repair | None:
    """Finish the books of a run that died while it published, or undo what it had added; none: there was none.

    Args:
        spark: the session.
        sink: of the output.
        state: the folder of the announcement.
        ids: the pinned id types.
    """
    announced = state.read_json(INTENT)
    if announced is None:
        return None
    stored = announced["entry"]
    days = {"as_of": date.fromisoformat(stored["as_of"])}
    times = {name: datetime.fromisoformat(stored[name]) for name in ("started_at", "finished_at")}
    entry = Entry(**{**stored, **days, **times})
    shown = entry.restored_run or entry.run_id
    entered = entry_of(sink, entry.run_id) is not None
    visible = entered or (entry.status == PUBLISHED and sink.visible_run() == shown)
    if visible and not entered:
        sink.append(RUNS, entry.row(spark, ids), run_id=entry.run_id)
    if not visible:
        sink.discard_run(entry.run_id)
    settle(state)
    return Repair(entry.run_id, visible, announced["summary"])
