"""How users are dealt out to tasks: whole blocks, as many as take a few seconds.

Ingest stores the users with their seen lists in files of one block of neighbouring indices each. A task takes the same
number of files as any other, whatever lies in them: the work is that of the pairs, so it goes by users and not by the
length of what they have seen. Nothing is shuffled.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.kernels.top_n import prepare
from recsys_spark.scoring.all_pairs import ScoringPlan
from recsys_spark.session import session_settings

SECONDS_IN_A_TASK = 3.0
"""Wanted: long beside what starting a task costs, short beside the job, so that cores end together."""

LEAST_SECONDS_IN_A_TASK = 0.5
"""Less is not worth a task, even if a core is idle."""

_SECONDS_TO_READ = 0.02
"""A block of seen lists."""

_OPEN_COST = 1 << 40
"""Bytes that Spark counts for opening a file: so many more than any block has that it counts files alone."""


def estimated_seconds(plan: ScoringPlan, *, n_users: int, blocks: int) -> float:
    """What making all lists will take on one core, within a factor of about 3.

    Args:
        plan: model, candidates and kernel.
        n_users: who get a list.
        blocks: how many files are read for them.
    """
    screened = prepare(plan.scorer, plan.candidates, kernel=plan.kernel).screens
    pairs = n_users * len(plan.candidates)
    return blocks * _SECONDS_TO_READ + pairs * nanoseconds_per_pair(plan.scorer, screened=screened) * 1e-9


def nanoseconds_per_pair(scorer: PairScorer, *, screened: bool) -> float:
    """Time of one pair on one core; measured on CPUs with AVX-512 (`benchmarks/kernels.py`)."""
    columns = int(scorer.user.shape[1])
    if screened and scorer.is_dot:
        return 0.3 + columns / 200
    if screened:
        return 0.5 + len(scorer.layers[0].bias) / 300 if len(scorer.layers) == 2 else 10.0
    multiply_adds = columns
    if scorer.layers:
        # the first layer's halves are made once for each user and each item; a pair adds them
        multiply_adds = len(scorer.layers[0].bias) + sum(layer.weight.size for layer in scorer.layers[1:])
    return 0.5 + multiply_adds / 15


def blocks_in_a_task(seconds: float, *, blocks: int, cores: int) -> int:
    """How many blocks a task gets.

    Args:
        seconds: what all blocks together take on one core.
        blocks: how many there are.
        cores: tasks that run at the same time.
    """
    tasks = max(math.ceil(seconds / SECONDS_IN_A_TASK), min(cores, math.ceil(seconds / LEAST_SECONDS_IN_A_TASK)), 1)
    if tasks > cores:
        tasks = math.ceil(tasks / cores) * cores
    return max(1, math.ceil(blocks / tasks))


@contextmanager
def files_in_a_task(spark: SparkSession, files: int) -> Iterator[None]:
    """Within this, each task of a read gets so many whole files, the largest first.

    Spark puts files into a task as long as their bytes, and `openCostInBytes` for each but the last, stay within
    `maxPartitionBytes`. It knows these for a session only, not for a read, so they are put back afterwards.
    """
    wanted = {
        "spark.sql.files.openCostInBytes": _OPEN_COST,
        "spark.sql.files.maxPartitionBytes": files * _OPEN_COST - 1,
        "spark.sql.files.minPartitionNum": 1,
    }
    with session_settings(spark, {key: str(value) for key, value in wanted.items()}):
        yield
