"""Answers to single questions, by the last model of the nights: pairs in their order, and the best users of each item.

Each answer is a table of its own; those of the night stay as they are.
"""

from __future__ import annotations

from datetime import UTC, datetime

from recsys_spark.bookkeeping import publish_alone
from recsys_spark.errors import ConfigError
from recsys_spark.evaluation.rating import MAIN
from recsys_spark.folding import folded_in
from recsys_spark.ingest import candidate_pairs
from recsys_spark.job import Job
from recsys_spark.planning import (
    candidates_of,
    fallback_of,
    have_vectors,
    known_ids,
    left_out_of_lists,
    plan_of_lists,
    plan_of_users,
    users_of_run,
)
from recsys_spark.publishing.audit_users import audit_user_lists
from recsys_spark.publishing.rows import ranked_pair_rows, top_users_rows
from recsys_spark.schemas import RANKED_PAIRS, TOP_USERS
from recsys_spark.scoring.ranking import WITH_SCORE, RankingPlan, rank_pairs
from recsys_spark.scoring.top_users import stage_user_lists
from recsys_spark.staged import read_staged
from recsys_spark.stored_models import scorers_for


def score_pairs(job: Job) -> None:
    """Rank the pairs of the table `pairs` by the last model, and make the table `ranked_pairs` of them."""
    ingested, trained, source = job.ingested(), job.trained(), job.settings.pairs
    staged, say = job.run.work("score_pairs", job.run.run_id), job.progress.say
    with job.progress.stage("pairs"):
        read = candidate_pairs.check_and_store(
            job.spark, source, ingested.vocabularies.ids, staged / "pairs", job.forgotten
        )
    with job.progress.stage("rank"):
        scorers = scorers_for(str(job.run.models / trained["model_id"]), ingested.vocabularies)
        folded = folded_in(job, ingested, scorers)
        known_users, known_items = have_vectors(folded.scorers)
        model, fallback = folded.scorers[MAIN], fallback_of(job, scorers)
        plan = RankingPlan(model, fallback, known_users | folded.users, known_items)
        pairs, users, items = read_staged(job.spark, staged / "pairs"), *known_ids(job, ingested)
        rank_pairs(pairs, users, items, plan).write.mode("overwrite").parquet(str(staged / "ranked"))
        ranked = read_staged(job.spark, staged / "ranked")
        reasons = {row["reason"]: row["count"] for row in ranked.groupBy("reason").count().collect()}
        told = ", ".join(f"{reason} {n:,}" for reason, n in sorted(reasons.items()))
        say(f"{read:,} pairs read, {sum(reasons.values()):,} of them different: {told}")
    with_score = sum(reasons.get(reason, 0) for reason in WITH_SCORE)
    if not with_score:
        job.run.warn(f"pairs: none of them has a score ({told}); are its columns the right ones?")
    counts = {"pairs_read": read, "pairs_ranked": with_score, "rows_published": sum(reasons.values())}
    with job.progress.stage("publish"):
        rows = ranked_pair_rows(ranked, job.run, trained["model_id"], datetime.now(UTC))
        publish_alone(job, ingested.vocabularies.ids, RANKED_PAIRS, rows)
    staged.delete()
    job.summary.counts |= counts
    job.summary.model_id = trained["model_id"]


def top_users(job: Job) -> None:
    """Find the best users for every candidate item by the last model, and make the table `top_users` of them."""
    if job.settings.scoring.segments is not None:
        hint = "leave scoring.segments out for this job, and filter the table by the users' segments"
        raise ConfigError("scoring.segments", expected="none for the job top_users", found="segments", hint=hint)
    ingested, trained = job.ingested(), job.trained()
    staged = job.run.work("top_users", job.run.run_id)
    with job.progress.stage("score"):
        scorers = scorers_for(str(job.run.models / trained["model_id"]), ingested.vocabularies)
        by_user = plan_of_lists(job, ingested, folded_in(job, ingested, scorers), n_samples=0)
        plan, n_items = plan_of_users(job, ingested, by_user), len(by_user.candidates)
        items, users = candidates_of(job, ingested, by_user), left_out_of_lists(job, ingested)
        work = stage_user_lists(items, users, plan, ingested.vocabularies.ids, staged, n_items=n_items)
        decided = n_items * len(plan.users)
        job.progress.say(
            f"{n_items:,} items x {len(plan.users):,} users = {decided:,} pairs decided, "
            f"{decided - work.scored:,} of them by a bound (items by kernel: {work.kernels})"
        )
        if len(plan.users) < plan.n:
            job.run.warn(f"scoring.top_users is {plan.n}, but only {len(plan.users)} users have a trained vector")
    lists = read_staged(job.spark, staged)
    with job.progress.stage("audit"):
        found = audit_user_lists(
            lists,
            users_of_run(job, ingested),
            n_items=n_items,
            top_users=plan.n,
            exclude_seen=job.settings.scoring.leaves_out_seen,
            stage=str(staged),
        )
    if found["error"]:
        job.run.warn(f"top_users: {found['error']:,} items have no list, since a score of theirs is not finite")
    with job.progress.stage("publish"):
        rows = top_users_rows(lists, job.run, trained["model_id"], datetime.now(UTC))
        publish_alone(job, ingested.vocabularies.ids, TOP_USERS, rows)
    staged.delete()
    counts = {"pairs_scored": decided, "pairs_skipped": decided - work.scored}
    job.summary.counts |= counts | {"rows_published": found["rows_published"]}
    job.summary.model_id = trained["model_id"]
