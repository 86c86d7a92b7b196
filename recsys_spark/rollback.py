"""Going back to an earlier run: its lists become the visible ones in one commit; no other table changes."""

from __future__ import annotations

from pyspark.sql import functions as F

from recsys_spark.bookkeeping import announce, enter, open_books, sink_of
from recsys_spark.errors import ConfigError
from recsys_spark.ingest.encoding import Vocabularies
from recsys_spark.job import SCORED, Job
from recsys_spark.publishing.ledger import PUBLISHED, entry_of
from recsys_spark.schemas import TOP_N, TOP_N_HISTORY


def roll_back(job: Job, run_id: str) -> None:
    """Make a run of `top_n_history` the visible one.

    Its rows keep their `run_id`, `as_of` and `generated_at`: they are the lists of that run. The ledger gets a row of
    this job that names it. `items`, `users` and `ratings` stay those of the last ingest; rows of the other tables that
    belong to the run are found by its `run_id`, as ever.

    Args:
        job: this job.
        run_id: of the earlier run.

    Raises:
        ConfigError: the history has no such run, or it is the visible one.
    """
    with job.progress.stage("rollback"):
        open_books(job)
        known = Vocabularies.load(job.run.state)
        if known is None:
            raise ConfigError("--to", expected="a run of top_n_history", found=f"no run at all in {job.run.output}")
        sink = sink_of(job, known.ids)
        if sink.visible_run() == run_id:
            raise ConfigError("--to", expected="a run that is not visible", found=f"{run_id}, which is")
        history = sink.read(TOP_N_HISTORY)
        lists = None if history is None else history.where(F.col("run_id") == run_id)
        if history is None or lists is None or lists.isEmpty():
            # bounded: as many as output.history
            kept = [] if history is None else sorted(r["run_id"] for r in history.select("run_id").distinct().collect())
            raise ConfigError("--to", expected=f"one of {', '.join(kept) or 'the runs of top_n_history'}", found=run_id)
        entry = entry_of(sink, run_id)
        job.summary.model_id = None if entry is None else entry.model_id
        job.summary.counts["rows_published"] = lists.count()
        announce(job, PUBLISHED, restored_run=run_id)
        sink.publish_again(TOP_N, lists, run_id=run_id)
        # the stages that were remembered are of the run that is no longer visible
        job.run.state.delete_file(SCORED)
        job.summary.status = PUBLISHED
        job.summary.tables = {TOP_N.name: sink.location(TOP_N)}
        job.progress.say(f"run {run_id} is visible again" + (f", of {entry.as_of}" if entry else ""))
    enter(job, known.ids, restored_run=run_id)
