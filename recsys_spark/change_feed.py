"""The table `user_lists` follows the visible run, for consumers that sync only the users whose lists have changed."""

from __future__ import annotations

from recsys_spark.bookkeeping import sink_of
from recsys_spark.ingest.encoding import Vocabularies
from recsys_spark.job import Job
from recsys_spark.publishing.user_lists import CHANGED, GONE, NEW, UserLists
from recsys_spark.schemas import TOP_N, USER_LISTS


def follow_lists_if_wanted(job: Job) -> None:
    """Bring `user_lists` to the lists of the visible run, if it is asked for and has not got them already."""
    known = Vocabularies.load(job.run.state) if job.settings.output.change_data_feed else None
    sink = None if known is None else sink_of(job, known.ids)
    visible = None if sink is None else sink.visible_run()
    if known is None or sink is None or visible is None:
        return
    with job.progress.stage("change_feed"):
        table = UserLists(job.spark, job.run.output / USER_LISTS.name, known.ids)
        if table.reflected_run() != visible:
            top_n = sink.read(TOP_N)
            assert top_n is not None
            job.check_lock()
            counts = table.follow(
                top_n,
                visible=visible,
                changed_by=job.run.run_id,
                changed_at=job.run.started_at,
                staged=job.run.work(USER_LISTS.name, job.run.run_id),
            )
            job.summary.counts |= counts
            told = f"{counts[NEW]:,} lists are new, {counts[CHANGED]:,} have changed, {counts[GONE]:,} are gone"
            job.progress.say(f"{USER_LISTS.name} follows run {visible}: {told}")
        else:
            job.progress.say(f"{USER_LISTS.name} follows run {visible} already")
        job.summary.tables[USER_LISTS.name] = sink.location(USER_LISTS)
