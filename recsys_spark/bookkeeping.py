"""What a job does with the ledger: it finishes the books of a run that died, finds its own place, enters itself."""

from __future__ import annotations

from dataclasses import replace

from pyspark.sql import DataFrame

from recsys_spark import __version__, config
from recsys_spark.cataloguing import prepare_catalog, register
from recsys_spark.ingest.encoding import Vocabularies
from recsys_spark.job import Job
from recsys_spark.publishing import ledger
from recsys_spark.publishing.earlier_tables import note_version, require_fitting
from recsys_spark.publishing.ledger import Entry
from recsys_spark.publishing.sink import Sink
from recsys_spark.publishing.sinks import SINKS
from recsys_spark.publishing.standing import Attempt, Standing, standing_to
from recsys_spark.publishing.summary import Summary
from recsys_spark.schemas import ALL_TABLES, RUNS, TABLES, PinnedIds, TableSchema

NOT_OF_A_NIGHT = (
    "run",
    "tune",
    "pairs",
    "similar_items",
    "serve",
    "report",
    "maintenance",
    "output.catalog",
    "output.change_data_feed",
)
"""What of the configuration changes nothing about what a night publishes."""


def sink_of(job: Job, ids: PinnedIds) -> Sink:
    """The output's tables, for this run to write."""
    return SINKS[job.settings.output.format](job.spark, job.run.output, ids, job.run.run_id)


def open_books(job: Job) -> Standing:
    """Finish the books of a run that died while it published, and find out how this one stands to the visible run."""
    prepare_catalog(job)
    known = Vocabularies.load(job.run.state)
    attempt = Attempt(job.run.as_of, job.fingerprint, config_hash(job), __version__, job.settings.run.force)
    if known is None:
        return standing_to(None, attempt)
    sink = sink_of(job, known.ids)
    require_fitting(sink, known.ids, ALL_TABLES, state=job.run.state)
    _repair(job, sink, known.ids)
    standing = standing_to(ledger.visible_entry(sink), attempt)
    visible = standing.visible
    if visible is not None and standing.replaces is not None:
        job.run.warn(f"as_of {job.run.as_of} was published by run {visible.run_id}: replaced ({standing.replaces})")
    if visible is not None and standing.history_only:
        job.run.warn(
            f"as_of {job.run.as_of} is before {visible.as_of}, that of the visible run {visible.run_id}: "
            "these lists go to top_n_history only"
        )
    return standing


def put_right(job: Job) -> None:
    """Finish the books of a run that died while it published, or undo what it had added."""
    known = Vocabularies.load(job.run.state)
    if known is not None:
        _repair(job, sink_of(job, known.ids), known.ids)


def leave_as_it_is(job: Job, visible: Entry) -> None:
    """End a run that would be the visible one once more, and say so."""
    job.progress.say(
        f"nothing to do: run {visible.run_id} has published this input with this configuration and code for "
        f"{visible.as_of}; --replace runs all the same"
    )
    known = Vocabularies.load(job.run.state)
    assert known is not None
    sink = sink_of(job, known.ids)
    job.summary.status = "nothing_to_do"
    job.summary.model_id = visible.model_id
    job.summary.tables = {table.name: sink.location(table) for table in TABLES}


def announce(job: Job, status: str, *, restored_run: str | None = None) -> None:
    """Write down what this run is about to publish, once it is sure that the output is still its own."""
    job.check_lock()
    ending = replace(job.summary, status=status, warnings=job.run.warnings)
    ledger.announce(job.run.state, _entry(job, ending, restored_run), ending)


def enter(job: Job, ids: PinnedIds, *, restored_run: str | None = None) -> None:
    """Enter this run in the ledger and keep its summary."""
    job.summary.seconds = dict(job.progress.seconds)
    sink_of(job, ids).append(RUNS, _entry(job, job.summary, restored_run).row(job.spark, ids))
    job.summary.warnings = job.run.warnings
    job.run.summaries.write_json(f"{job.run.run_id}.json", job.summary.as_dict())
    ledger.settle(job.run.state)
    note_version(job.run.state)


def publish_alone(job: Job, ids: PinnedIds, table: TableSchema, rows: DataFrame) -> None:
    """Make a table that belongs to no night visible, once it is sure that the output is still this run's."""
    sink = sink_of(job, ids)
    prepare_catalog(job)
    require_fitting(sink, ids, [table], state=job.run.state)
    job.check_lock()
    sink.publish_alone(table, rows)
    job.summary.tables[table.name] = sink.location(table)
    register(job, sink, ids, [table])


def config_hash(job: Job) -> str:
    """Of all settings that a night depends on."""
    return config.digest(job.settings, leave_out=NOT_OF_A_NIGHT)


def _entry(job: Job, summary: Summary, restored_run: str | None) -> Entry:
    return Entry.of(
        job.run,
        summary,
        job=job.name,
        fingerprint=job.fingerprint,
        config_hash=config_hash(job),
        restored_run=restored_run,
    )


def _repair(job: Job, sink: Sink, ids: PinnedIds) -> None:
    done = ledger.repair(job.spark, sink, job.run.state, ids)
    if done is None:
        return
    if not done.was_visible:
        job.run.warn(f"run {done.run_id} died before its lists were visible; what it had added to other tables is gone")
        return
    name = f"{done.run_id}.json"
    job.run.warn(f"run {done.run_id} died after its lists were visible; it is in the ledger now")
    if (job.run.summaries.read_json(name) or {}).get("status") != done.summary["status"]:
        job.run.summaries.write_json(name, done.summary)
