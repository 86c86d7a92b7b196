"""The job `maintain`: an output folder as if nothing had ever been killed in it, and no larger than it has to be.

It never touches what readers see, artefacts that a published list or a kept stage names, vocabularies in force, or the
ledger. Each step leaves a sound output; what a kill leaves of a step, the next `maintain` finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from recsys_spark.bookkeeping import put_right, sink_of
from recsys_spark.ingest.encoding import Vocabularies
from recsys_spark.job import Job
from recsys_spark.maintenance import delta_tables, old_runs, parquet_tables
from recsys_spark.maintenance.leftovers import Leftover, Removed, remove
from recsys_spark.maintenance.models import old_models, put_back
from recsys_spark.maintenance.needed import needed_by_tables
from recsys_spark.maintenance.state import unlisted_additions
from recsys_spark.maintenance.summaries import old_summaries
from recsys_spark.maintenance.temporaries import unmade_commits, unnamed_files
from recsys_spark.maintenance.work import models_of_stages, old_stages, stages_of_visible_run
from recsys_spark.publishing.delta import is_table
from recsys_spark.publishing.sink import Sink
from recsys_spark.schemas import ALL_TABLES, PinnedIds
from recsys_spark.side_by_side import side_by_side
from recsys_spark.storage import Folder


@dataclass
class _Upkeep:
    """A `maintain` at work."""

    job: Job
    sink: Sink
    now: datetime
    removed: Removed = field(default_factory=Removed)

    @property
    def before(self) -> datetime:
        """What was written to after this moment is left alone."""
        return self.now - timedelta(hours=self.job.settings.maintenance.grace_hours)

    def remove(self, leftovers: Iterable[Leftover]) -> None:
        """Remove them, and warn of those that cannot be removed."""
        self.job.check_lock()
        remove(leftovers, before=self.before, removed=self.removed, complain=self.job.run.warn)


def maintain(job: Job) -> None:
    """Remove what nobody needs any more; put small files of Delta tables together."""
    known = Vocabularies.load(job.run.state)
    # without vocabularies there is no table with ids of users or items either
    ids = PinnedIds(user="string", item="string") if known is None else known.ids
    sink = sink_of(job, ids)
    upkeep = _Upkeep(job, sink, datetime.now(UTC))
    with job.progress.stage("tables"):
        put_right(job)
        recorded = old_runs.recorded_runs(sink, job.run.summaries)
        _forget_old_runs(upkeep, recorded)
        if job.settings.output.format == "delta":
            _tend_delta(upkeep)
        else:
            _tend_parquet(upkeep, recorded)
    with job.progress.stage("sweep"):
        _sweep(upkeep)
    job.progress.say(f"removed: {upkeep.removed}")
    job.summary.counts |= upkeep.removed.counts()


def _forget_old_runs(upkeep: _Upkeep, recorded: Set[str]) -> None:
    """Drop the rows of runs that never became visible, and of those beyond the history."""
    job, visible = upkeep.job, upkeep.sink.visible_run()
    for table in old_runs.TABLES:
        rows = upkeep.sink.read(table)
        # an id for each run of the table
        found = [] if rows is None else [str(row["run_id"]) for row in rows.select("run_id").distinct().collect()]
        old = old_runs.runs_to_forget(
            table, found, recorded=recorded, visible=visible, keep=job.settings.output.history, before=upkeep.before
        )
        if not old:
            continue
        job.progress.say(f"{table.name} forgets {', '.join(old)}")
        if job.settings.output.format == "delta":
            delta_tables.forget_runs(job.spark, job.run.output / table.name, old)
            upkeep.removed.add("runs", len(old), 0)
        else:
            upkeep.remove(parquet_tables.parts_of_runs(job.run.output, table, old))


def _tend_delta(upkeep: _Upkeep) -> None:
    job, settings = upkeep.job, upkeep.job.settings.maintenance
    tables, spark = [], job.spark
    for table in ALL_TABLES:
        folder = job.run.output / table.name
        if not is_table(folder):
            upkeep.remove(delta_tables.never_committed(folder))
            continue
        tables.append(folder)
        compacted = None
        if table in delta_tables.GROWING:
            compacted = delta_tables.compact(spark, folder, most=settings.files_in_partition)
        if compacted is not None:
            job.progress.say(f"{table.name}: {compacted[0]:,} files put together to {compacted[1]:,}")

    def vacuum(folder: Folder) -> tuple[int, int]:
        return delta_tables.vacuum(spark, folder, hours=settings.vacuum_hours, now=upkeep.now)

    job.check_lock()
    with delta_tables.ready_to_vacuum(spark):
        gone = side_by_side(*(partial(vacuum, folder) for folder in tables))
    for folder, (files, n_bytes) in zip(tables, gone, strict=True):
        upkeep.removed.add("files", files, n_bytes)
        upkeep.remove(delta_tables.emptied_partitions(folder))
        upkeep.remove(unmade_commits(folder))


def _tend_parquet(upkeep: _Upkeep, recorded: Set[str]) -> None:
    output = upkeep.job.run.output
    upkeep.remove(parquet_tables.old_run_folders(output, recorded=recorded, keep=upkeep.job.settings.output.history))
    upkeep.remove(parquet_tables.unfinished_parts(output))


def _sweep(upkeep: _Upkeep) -> None:
    """Remove old and unfinished private files; stages first, since they name models."""
    run, settings = upkeep.job.run, upkeep.job.settings.maintenance
    needed, work = needed_by_tables(upkeep.sink), run.output / "_work"
    upkeep.remove(old_stages(work, needed=stages_of_visible_run(run.state), keep=settings.stages))
    for name in put_back(run.models):
        upkeep.job.progress.say(f"model {name} has its name again: a kill had left it aside")
    models = needed.models | models_of_stages(work) | {str(upkeep.job.settings.training.use_model)}
    upkeep.remove(old_models(run.models, needed=models, keep=settings.models))
    for told in (run.summaries, run.evaluations, run.reports):
        upkeep.remove(old_summaries(told, needed=needed.runs, keep=settings.summaries))
    if Vocabularies.load(run.state) is None and needed.visible is not None:
        run.warn(f"{run.state} lists no vocabularies although lists are published; nothing was removed there")
    else:
        upkeep.remove(unlisted_additions(run.state))
    upkeep.remove(unnamed_files(run.output))
