"""The lists of a night in which no item is in too many, made of staged pools."""

from __future__ import annotations

from pyspark.sql import functions as F

from recsys_spark.job import Job
from recsys_spark.scoring.all_pairs import ScoringPlan
from recsys_spark.scoring.caps import capped, item_bounds, most_lists
from recsys_spark.staged import read_staged
from recsys_spark.storage import Folder


def cap(job: Job, plan: ScoringPlan, pools: Folder, lists: Folder, *, n_lists: int) -> None:
    """Take lists out of staged pools so that no item is in too many, and remove the pools.

    Args:
        job: of the night; warned of lists that are shorter than they might be.
        plan: of the lists.
        pools: all choices of each user, as `score_all_pairs` stages them.
        lists: where the lists go.
        n_lists: how many there are.
    """
    diversity = job.settings.scoring.diversity
    assert diversity is not None
    most = most_lists(diversity, n_lists)
    staged = read_staged(job.spark, pools)
    say = job.progress.say
    bounds = item_bounds(staged, n_items=plan.scorer.n_items, n=plan.top_n, most_lists=most, say=say)
    capped(staged, bounds, n=plan.top_n).write.mode("overwrite").parquet(str(lists))
    pools.delete()
    size = F.size("item_indices")
    short = read_staged(job.spark, lists).where((size < plan.top_n) & (F.col("outcome") != "error")).count()
    if short:
        job.run.warn(
            f"scoring.diversity: {short:,} of {n_lists:,} lists have fewer than {plan.top_n} items: no item is in more "
            f"than {most:,} lists, and the pools of {diversity.pool} items ran out"
        )
