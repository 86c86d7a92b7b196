"""What follows the visible run: the table of changed lists, the names in a catalog, the database of applications.

The output comes first: it is published whatever becomes of these. Each finds out by itself what it shows, so the next
start makes up for one that failed or died, also one that has nothing else to do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from recsys_spark.bookkeeping import sink_of
from recsys_spark.cataloguing import register
from recsys_spark.change_feed import follow_lists_if_wanted
from recsys_spark.errors import RecsysError
from recsys_spark.ingest.encoding import Vocabularies
from recsys_spark.job import Job
from recsys_spark.publishing.summary import gist
from recsys_spark.serving import serve_if_wanted


def follow(job: Job, *, anew: bool = False) -> None:
    """Bring all that follows the visible run up to it.

    Args:
        job: a job that is done with the output's tables.
        anew: also what says that it shows the run already, since rows of it have changed.

    Raises:
        Exception: the first failure; the others have been tried, too.
    """
    followers: tuple[Callable[[Job], None], ...] = (
        follow_lists_if_wanted,
        name_tables_if_wanted,
        partial(serve_if_wanted, anew=anew),
    )
    failures = []
    for follower in followers:
        try:
            follower(job)
        except Exception as error:
            failures.append(error)
    for failure in failures[1:]:
        job.run.warn(gist(failure))
    if failures:
        raise failures[0]


def name_tables_if_wanted(job: Job) -> None:
    """Register all tables of the output in the catalog, if there is one and they are not."""
    known = Vocabularies.load(job.run.state) if job.settings.output.catalog is not None else None
    if known is None:
        return
    with job.progress.stage("catalog"):
        try:
            register(job, sink_of(job, known.ids), known.ids)
        except RecsysError as error:
            error.hint += "; the tables are published by path, and the next start registers them"
            raise
        job.progress.say(f"{len(job.summary.catalog)} tables have their names in {job.settings.output.catalog}")
