"""What a stage asks the kernels: the candidates and users of a night, and who may get what."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.eligibility import Eligibility
from recsys_spark.evaluation.rating import KNOWN, MAIN, RATING
from recsys_spark.folding import Folded
from recsys_spark.ingest.ingested import Ingested, stored_ids
from recsys_spark.job import Job
from recsys_spark.kernels.arrays import Flags
from recsys_spark.kernels.diversity import Diversity
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.scoring.all_pairs import ScoringPlan
from recsys_spark.scoring.allowed import among_allowed
from recsys_spark.scoring.flags import with_flag
from recsys_spark.scoring.left_out import with_barred
from recsys_spark.scoring.top_users import TopUsersPlan
from recsys_spark.scoring.uncertainty import Samples
from recsys_spark.settings import Settings


def plan_of_lists(job: Job, ingested: Ingested, folded: Folded, *, n_samples: int) -> ScoringPlan:
    """Candidates are the eligible, allowed items with a training rating, or with features if the model uses them.

    All ids of items are held on the driver.
    """
    settings, scorers = job.settings, folded.scorers
    item_ids, eligible = stored_ids(ingested.folder / "items", "item", ingested.vocabularies.items.size)
    has_vector, usable_items = have_vectors(scorers)
    candidates = np.flatnonzero(usable_items & eligible).astype(np.int32)
    eligibility = eligibility_of(job, ingested)
    if eligibility.allowed is not None:
        candidates = among_allowed(candidates, eligibility.allowed)
    return ScoringPlan(
        scorer=scorers[MAIN],
        fallback=fallback_of(job, scorers),
        has_vector=has_vector | folded.users,
        candidates=candidates,
        item_ids=item_ids,
        top_n=settings.scoring.top_n,
        exclude_seen=settings.scoring.leaves_out_seen or settings.scoring.exclude is not None,
        samples=Samples(scorers["samples"], n_samples) if n_samples else None,
        rating=scorers.get(RATING),
        kernel=settings.scoring.kernel,
        variants=eligibility.variants,
        min_score=settings.scoring.min_score,
        # numbers of ratings are no scores of that kind
        min_fallback_score=settings.scoring.min_score if settings.fallback == "damped_mean" else None,
        segments=eligibility.segments,
        segment_of=eligibility.segment_of,
        folded=folded.users,
        digests=folded.digests,
        diversity=diversity_of(settings, scorers[MAIN]),
        gives_pools=settings.scoring.diversity is not None and settings.scoring.diversity.max_share is not None,
    )


def diversity_of(settings: Settings, scorer: PairScorer) -> Diversity | None:
    """How lists are chosen out of longer ones; none: they are not."""
    wanted = settings.scoring.diversity
    return None if wanted is None else Diversity.of(scorer, pool=wanted.pool, relevance=wanted.relevance)


def eligibility_of(job: Job, ingested: Ingested) -> Eligibility:
    """What lists may hold."""
    return Eligibility.of(job.spark, job.settings, ingested, job.progress.say)


def plan_of_users(job: Job, ingested: Ingested, plan: ScoringPlan) -> TopUsersPlan:
    """Users of the run who have a vector. All ids of users are held on the driver, as their vectors are."""
    user_ids, eligible = stored_ids(ingested.folder / "users", "user", ingested.vocabularies.users.size)
    wanted = job.settings.scoring.users
    if wanted is not None:
        eligible &= pc.is_in(user_ids.cast(pa.string()), pa.array(wanted, pa.string())).to_numpy(zero_copy_only=False)
    users = np.flatnonzero(plan.has_vector & eligible).astype(np.int32)
    scoring = job.settings.scoring
    return TopUsersPlan(plan.scorer, users, user_ids, scoring.top_users, plan.kernel, scoring.min_score)


def candidates_of(job: Job, ingested: Ingested, plan: ScoringPlan) -> DataFrame:
    """`item_id`, `item_index` of the candidates."""
    is_candidate = np.zeros(len(plan.item_ids), np.bool_)
    is_candidate[plan.candidates] = True
    _, items = known_ids(job, ingested)
    return with_flag(items, "is_candidate", is_candidate, index="item_index").where("is_candidate")


def have_vectors(scorers: Mapping[str, PairScorer]) -> tuple[Flags, Flags]:
    """Which users and which items the model knows: by a training rating, or by features if it uses them."""
    users, items = scorers[KNOWN].user_bias, scorers[KNOWN].item_bias
    assert users is not None
    assert items is not None
    return users > 0, items > 0


def fallback_of(job: Job, scorers: Mapping[str, PairScorer]) -> PairScorer:
    """What orders the items for users without a vector."""
    return scorers["item_mean" if job.settings.fallback == "damped_mean" else "popularity"]


def known_ids(job: Job, ingested: Ingested) -> tuple[DataFrame, DataFrame]:
    """Every user and every item that has an index: `user_id`, `user_index`; `item_id`, `item_index`."""
    users, items = ingested.read(job.spark, "users"), ingested.read(job.spark, "items")
    return users.select("user_id", "user_index"), items.select("item_id", "item_index")


def users_of_run(job: Job, ingested: Ingested) -> DataFrame:
    """The users who get lists, with what they have seen and what is barred for them."""
    users = ingested.read(job.spark, "seen")
    wanted = job.settings.scoring.users
    return users if wanted is None else users.where(F.col("user_id").cast("string").isin(*wanted))


def left_out_of_lists(job: Job, ingested: Ingested) -> DataFrame:
    """The users of the run with all that is left out for them in the one column `seen`."""
    users, scoring = users_of_run(job, ingested), job.settings.scoring
    if scoring.leaves_out_seen and scoring.exclude is None:
        return users
    return with_barred(users, seen=scoring.leaves_out_seen)
