"""The job `runs`: what became of the last runs, as a table on the terminal."""

from __future__ import annotations

from pyspark.sql import DataFrame

from recsys_spark.bookkeeping import sink_of
from recsys_spark.ingest.encoding import Vocabularies
from recsys_spark.job import Job
from recsys_spark.run_list import PastRun, as_table, past_runs, terminal_width
from recsys_spark.schemas import RUNS, PinnedIds
from recsys_spark.storage import Folder


def show_runs(job: Job) -> None:
    """Write the newest runs to stdout, above the summary."""
    known = Vocabularies.load(job.run.state)
    # neither the ledger nor `run_id` of `top_n` depends on the types of ids
    ids = PinnedIds(user="string", item="string") if known is None else known.ids
    sink = sink_of(job, ids)
    found = runs_of(sink.read(RUNS), job.run.summaries, most=job.settings.run.shown)
    if not found:
        print(f"no runs in {job.run.output} yet")
        return
    print(as_table(found, visible=sink.visible_run(), width=terminal_width()))


def runs_of(ledger: DataFrame | None, summaries: Folder, *, most: int) -> list[PastRun]:
    """See `run_list.past_runs`.

    Args:
        ledger: the table `runs`, of which `most` rows are collected; none: nothing was ever published.
        summaries: a JSON file for each attempt.
        most: how many are given back.
    """
    newest = [] if ledger is None else ledger.orderBy("run_id", ascending=False).head(most)
    return past_runs([row.asDict() for row in newest], summaries, most=most)
