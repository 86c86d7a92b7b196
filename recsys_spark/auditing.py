"""The audit of a night: each row by rules that always hold, then the figures of the run by thresholds."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.bookkeeping import sink_of
from recsys_spark.evaluation.rating import MAIN
from recsys_spark.ingest.ingested import Ingested
from recsys_spark.job import Job
from recsys_spark.planning import users_of_run
from recsys_spark.publishing import figures, totals
from recsys_spark.publishing.audit import Promises, audit_lists
from recsys_spark.publishing.examples import Evidence
from recsys_spark.publishing.last_run import LastRun
from recsys_spark.publishing.settings import AuditSettings
from recsys_spark.publishing.thresholds import Figure, error_of, judge, warning_of
from recsys_spark.run import end_of
from recsys_spark.settings import Settings
from recsys_spark.side_by_side import side_by_side


def audit_night(job: Job, ingested: Ingested, lists: DataFrame, *, stage: str, compare: bool) -> dict[str, int]:
    """Check staged lists; put their figures into the summary, and what is near a fault into its warnings.

    Args:
        job: its summary holds the metrics already, if there are any.
        ingested: of the night.
        lists: staged lists, one row for each list.
        stage: where the stage lies, for messages.
        compare: whether the visible run is the one before this one; a run of an earlier day is compared with none.

    Returns:
        `ok`, `cold_fallback`, `error`, `rows_published`.

    Raises:
        AuditError: a rule is broken.
    """
    scoring = job.settings.scoring
    promises = Promises(
        n_items=ingested.vocabularies.items.size,
        top_n=scoring.top_n,
        exclude_seen=scoring.leaves_out_seen,
        variants=tuple(scoring.variants),
        min_score=scoring.min_score,
    )
    found = audit_lists(lists, users_of_run(job, ingested), promises, stage=stage)
    last = LastRun.of(sink_of(job, ingested.vocabularies.ids)) if compare else None
    evidence = Evidence(
        lists=lists.where(F.col("variant").isNull()),
        ratings=ingested.read(job.spark, "ratings"),
        items=ingested.read(job.spark, "items").where("eligible"),
        quarantine=ingested.read(job.spark, "quarantine"),
        end=end_of(job.run.as_of),
        last=last,
    )
    job.summary.counts |= turnover(job, ingested, last)
    rates = job.settings.training.objective == "rating"
    told = night_figures(evidence, ingested.counts, _measured(job, last), scores_are_ratings=rates)
    job.summary.audit = {"last_run": None if last is None else last.run_id}
    job.summary.audit |= {name: figure.value for name, figure in told.items()}
    verdict = judge(told, rules_of(job.settings))
    for breach in verdict.warnings:
        job.run.warn(warning_of(breach))
    if verdict.errors:
        raise error_of(verdict.errors, evidence.of, stage=stage)
    return found


def turnover(job: Job, ingested: Ingested, last: LastRun | None) -> dict[str, int]:
    """How many users and items are new in the source, and how many have gone from it, since the last run.

    A night that died while it published may have left tonight's tables of them already: then nothing is new or gone.
    """
    if last is None or last.users is None or last.items is None:
        return {}
    users_then, items_then = last.users, last.items
    users, items = side_by_side(
        lambda: totals.of_source(ingested.read(job.spark, "users"), users_then, "user"),
        lambda: totals.of_source(ingested.read(job.spark, "items"), items_then, "item"),
    )
    job.progress.say(
        f"since run {last.run_id}: users {users.new:,} new, {users.gone:,} gone from the source; "
        f"items {items.new:,} new, {items.gone:,} gone"
    )
    return {"users_new": users.new, "users_gone": users.gone, "items_new": items.new, "items_gone": items.gone}


def rules_of(settings: Settings) -> AuditSettings:
    """The thresholds of the audit; what `quality.max_source_age` asks of an ingest holds for an older one, too."""
    audit, most_days = settings.audit, settings.quality.max_source_age
    error = min((days for days in (audit.max_source_age.error, most_days) if days is not None), default=None)
    age = audit.max_source_age.model_copy(update={"error": error})
    return audit.model_copy(update={"max_source_age": age})


def night_figures(
    evidence: Evidence, counts: Mapping[str, int], measured: figures.Measured, *, scores_are_ratings: bool = True
) -> dict[str, Figure]:
    """Every figure of a run, by its name.

    Args:
        evidence: the run, and the last one.
        counts: `ratings_read`, `ratings_quarantined`.
        measured: how good it is, and what that is compared with.
        scores_are_ratings: whether they should lie in the range of the ratings.
    """
    last = evidence.last
    lists, items, ratings, n_items, change = side_by_side(
        lambda: totals.of_lists(evidence.lists),
        lambda: totals.of_items(evidence.lists),
        lambda: totals.of_ratings(evidence.ratings, evidence.end),
        evidence.items.count,
        lambda: None if last is None else totals.of_change(evidence.lists, last),
    )
    range_ = ratings if scores_are_ratings else None
    read, quarantined = counts["ratings_read"], counts["ratings_quarantined"]
    return {
        **figures.of_users(lists),
        **figures.of_lists(lists, items, range_, n_items),
        **figures.of_change(lists, range_, change),
        **figures.of_quality(measured),
        **figures.of_source(ratings.newest, evidence.end, read=read, quarantined=quarantined),
    }


def _measured(job: Job, last: LastRun | None) -> figures.Measured:
    """How good the model is on the test part, in this run and in the last one."""
    settings, metrics = job.settings, job.summary.metrics
    strategy, protocol = settings.split.strategy, settings.evaluation.protocol
    metric = settings.audit_metric
    if not metrics["baseline"] and settings.split.test_fraction and job.in_use is None:
        job.run.warn("audit: how good the model is was not asked, since the job `evaluate` has not measured it")
    if "test" not in metrics:
        return figures.Measured(metric, None, {}, None)
    then = None if last is None else last.test_figure(metric, scorer=MAIN, strategy=strategy, protocol=protocol)
    baselines = {name: errors[metric] for name, errors in metrics["baseline"].items() if metric in errors}
    return figures.Measured(metric, metrics["test"].get(metric), baselines, then)
