"""The database that applications read follows the visible run: after nights, rollbacks, users who are forgotten."""

from __future__ import annotations

from pyspark.sql import functions as F

from recsys_spark.bookkeeping import sink_of
from recsys_spark.errors import ConfigError, DataError
from recsys_spark.ingest.encoding import Vocabularies
from recsys_spark.job import Job
from recsys_spark.publishing.database import ServedTables
from recsys_spark.schemas import TOP_N, USER_OUTCOMES


def serve_if_wanted(job: Job, *, anew: bool = False) -> None:
    """Serve the visible run, if a database is configured and does not serve it already.

    Args:
        job: a job that is done with the output's tables.
        anew: also if it does, since rows of the run have changed.
    """
    if job.settings.serve.url is None:
        return
    tables = ServedTables(job.spark, job.settings.serve)
    known = Vocabularies.load(job.run.state)
    sink = None if known is None else sink_of(job, known.ids)
    visible = None if sink is None else sink.visible_run()
    if sink is None or visible is None:
        return
    with job.progress.stage("serve"):
        if tables.served_run() == visible and not anew:
            job.progress.say(f"{tables.address.shown} serves run {visible} already")
            return
        lists, outcomes = sink.read(TOP_N), sink.read(USER_OUTCOMES)
        assert lists is not None
        if outcomes is None:
            raise DataError(USER_OUTCOMES.name, expected="rows of the visible run", found="no table")
        job.check_lock()
        try:
            counts = tables.serve({TOP_N.name: lists, USER_OUTCOMES.name: outcomes.where(F.col("run_id") == visible)})
        except (ConfigError, DataError) as error:
            error.hint += f"; run {visible} is visible in the output, and the job `serve` or the next start loads it"
            raise
        told = ", ".join(f"{rows:,} rows of {name}" for name, rows in counts.items())
        job.progress.say(f"{tables.address.shown} serves run {visible}: {told}")


def serve(job: Job) -> None:
    """Serve the visible run, whatever the database serves now.

    Raises:
        ConfigError: no database is configured.
    """
    if job.settings.serve.url is None:
        raise ConfigError("serve.url", expected="the URL of a database", found="none", hint="--set serve.url=...")
    serve_if_wanted(job, anew=True)
