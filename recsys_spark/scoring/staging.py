"""The lists of everybody, written to the stage: how tasks are cut and what is said while they run."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import DataFrame

from recsys_spark.connect import is_connect
from recsys_spark.schemas import PinnedIds
from recsys_spark.scoring.all_pairs import ScoringPlan, score_all_pairs
from recsys_spark.scoring.blocks import blocks_in_a_task, estimated_seconds, files_in_a_task
from recsys_spark.scoring.shipping import Tally
from recsys_spark.scoring.watching import tasks_watched, watched
from recsys_spark.scoring.work import Work, work_of
from recsys_spark.session import default_parallelism
from recsys_spark.storage import Folder


def stage_lists(
    users: DataFrame,
    plan: ScoringPlan,
    ids: PinnedIds,
    target: Folder,
    *,
    n_users: int,
    blocks: int,
    say: Callable[[str], None],
) -> Work:
    """Make the list of every user and write it.

    Args:
        users: a read of files, one for each block; see `score_all_pairs`.
        plan: model, candidates and options.
        ids: the pinned id types.
        target: where the lists go, as Parquet: one file for each task.
        n_users: how many users there are.
        blocks: how many files they lie in.
        say: takes a line of progress.

    Returns:
        What it has taken, as the written lists tell.
    """
    spark = users.sparkSession
    tally = None if is_connect(spark) else Tally.start(spark)
    seconds = estimated_seconds(plan, n_users=n_users, blocks=blocks)
    files = blocks_in_a_task(seconds, blocks=blocks, cores=default_parallelism(spark))
    lists = score_all_pairs(users, plan, ids, tally=tally)
    pairs = n_users * len(plan.candidates)
    watch = tasks_watched(spark, say) if tally is None else watched(tally, say, users=n_users, pairs=pairs)
    with files_in_a_task(spark, files), watch:
        lists.write.mode("overwrite").parquet(str(target))
    return work_of(target)
