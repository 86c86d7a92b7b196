"""The stages of a night, composed of the folders' pieces. Jobs call these; each stage finds what the one before left.

    ingest -> train -> evaluate -> score (all pairs, audit, publish)

Where a stage keeps its private files is for `job` to say, whom it asks about for `planning`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark import artifact
from recsys_spark.answers import ANSWERS, say_metrics
from recsys_spark.auditing import audit_night
from recsys_spark.bookkeeping import announce, enter, leave_as_it_is, open_books, sink_of
from recsys_spark.capping import cap
from recsys_spark.carrying import remember, wanted_users
from recsys_spark.errors import DataError
from recsys_spark.evaluation.epochs import epoch_metrics
from recsys_spark.evaluation.fits import Evidence, measure
from recsys_spark.evaluation.rating import Metric
from recsys_spark.evaluation.rows import metric_rows, nested, stored_metrics
from recsys_spark.fitting import start_of, take_into_use, trainer_of
from recsys_spark.folding import folded_in
from recsys_spark.following import follow
from recsys_spark.ingest import night
from recsys_spark.ingest.encoding import Vocabularies
from recsys_spark.ingest.exclusions import ExclusionCounts
from recsys_spark.ingest.ingested import RECORD, Ingested, seal
from recsys_spark.ingest.quality import NOT_SEEN, seen_rows
from recsys_spark.ingest.reconcile import reconcile, stored_rows
from recsys_spark.job import Job, seen_filter
from recsys_spark.known_features import KnownFeatures
from recsys_spark.planning import (
    eligibility_of,
    plan_of_lists,
)
from recsys_spark.publishing.ledger import HISTORY_ONLY, PUBLISHED
from recsys_spark.publishing.rows import outcome_rows, top_n_rows
from recsys_spark.publishing.standing import Standing
from recsys_spark.reporting import report_of_night
from recsys_spark.schemas import (
    ITEMS,
    METRICS,
    QUARANTINE,
    RATINGS,
    TABLES,
    TOP_N,
    TOP_N_HISTORY,
    TRIALS,
    USER_OUTCOMES,
    USERS,
)
from recsys_spark.scoring.staging import stage_lists
from recsys_spark.settings import Settings
from recsys_spark.side_by_side import side_by_side
from recsys_spark.similar_items import similar_items_of_night
from recsys_spark.staged import read_staged
from recsys_spark.stored_models import cold_in_test, night_artefact, save_with_networks, scorers_for

GROUPS = "groups.json"
"""In the folder of the stage `evaluate`: sums by group of users."""


def nightly(job: Job) -> None:
    """The whole flow of a night, from the last stage that an earlier attempt has finished for the same inputs."""
    standing = open_books(job)
    if standing.nothing_to_do and standing.visible is not None and job.from_stage is None:
        leave_as_it_is(job, standing.visible)
        follow(job)
        return
    steps: dict[str, Callable[[Job], object]] = {"ingest": ingest, "train": train, "evaluate": evaluate, "score": score}
    reusing = True
    for stage, step in steps.items():
        # after a stage that is done again none is believed: it might have another outcome than it had
        reusing = reusing and job.may_reuse(stage)
        if reusing:
            job.progress.say(f"{stage} was finished for the same inputs: {job.folder(stage)}")
            continue
        if stage == "ingest":
            preload_training()
        job.discard(stage)
        step(job)
    publish(job, standing)
    follow(job)
    similar_items_of_night(job)
    report_of_night(job)


def preload_training() -> None:
    """Import Keras in the background, which takes seconds, while Spark ingests."""
    from recsys_spark.training.fit import load_keras

    threading.Thread(target=load_keras, daemon=True).start()


def ingest(job: Job) -> Ingested:
    """Validate, encode and split the ratings; extend the vocabularies; group the seen lists."""
    with job.progress.stage("ingest"):
        inputs = replace(_night_inputs(job.settings), forgotten=job.forgotten)
        _tell_unfinished(job)
        folder = job.folder("ingest")
        folder.delete()
        checked, ratings_read = night.check_and_store(job.spark, inputs, folder)
        metadata = night.load_metadata(job.spark, inputs)
        night.check_exclusions(job.spark, inputs, job.run, folder)
        ids = night.pinned_types(checked, inputs.source.id_type, Vocabularies.load(job.run.state))
        classified = night.classify_and_store(job.spark, checked, ids, inputs, metadata, folder)
        vocabularies, _ = side_by_side(
            lambda: night.extend_vocabularies(job.spark, seen_rows(classified), metadata, ids, job.run, folder),
            lambda: night.store_quarantine(classified, folder),
        )
        night.encode_and_store(job.spark, classified, vocabularies, inputs, job.run, folder)
        counts, reasons = reconcile(job.spark, folder, ratings_read, inputs.quality)
        if not counts["ratings_accepted"]:
            raise DataError(
                "ratings", expected="at least one accepted rating", found=f"none of {ratings_read:,} ({reasons})"
            )
        night.check_age(job.spark, inputs, job.run, folder)
        vocabularies.save(job.run.state)
        excluded = night.encode_exclusions(job.spark, vocabularies, inputs, job.run, folder)
        others_seen = any(reason not in NOT_SEEN for reason in reasons)
        night.describe_and_store(
            job.spark, classified, vocabularies, metadata, inputs, job.run, folder, others_seen=others_seen
        )
        counts |= {"users": stored_rows(folder / "seen"), "items": vocabularies.items.size}
        job.progress.say(
            f"{ratings_read:,} ratings read, {counts['ratings_accepted']:,} accepted, quarantined: {reasons or 'none'}"
        )
        if excluded is not None:
            _tell_exclusions(job, excluded)
        # before the record: a kill in between must not leave them in a folder that counts as finished
        for scratch in ("checked", "classified", "new_users", "new_items", "exclusions", "barred"):
            (folder / scratch).delete()
        done = Ingested(folder, job.fingerprint, vocabularies, counts, reasons)
        seal(folder)
        done.save()
        eligibility_of(job, done)  # a condition that fails is to be told before hours of training
    job.summary.counts |= counts
    return done


def train(job: Job) -> None:
    """Fit the model and, on the same rows, the baselines; store them as an artefact."""
    from recsys_spark.training.checkpoints import Checkpoints
    from recsys_spark.training.fits import train as fit_all
    from recsys_spark.training.opened import opened_rows

    ingested, settings = job.ingested(), job.settings
    if job.in_use is not None:
        take_into_use(job, ingested, job.in_use)
        return
    with job.progress.stage("train"), opened_rows(ingested.folder / "ratings", settings.training) as rows:
        known = KnownFeatures.of(settings, ingested)
        start = start_of(job, ingested, known, rows)
        states = Checkpoints(job.states, settings.training.checkpoint_seconds, job.progress.say)
        models = fit_all(trainer_of(job, known, states), rows, starts=start.weights)
        artefact = night_artefact(
            models,
            rows,
            settings,
            ingested.vocabularies,
            known=known,
            fingerprint=ingested.fingerprint,
            started_from=start.model_id,
        )
        save_with_networks(str(job.run.models), artefact, models)
        counts = cold_in_test(rows)
        record = {
            "model_id": artefact.model_id,
            "samples": models.published.n_samples,
            "epochs": models.epochs,
            "counts": counts,
            "started_from": start.model_id,
            "resumed": states.resumed,
            "history": [result._asdict() for result in models.history],
        }
        job.folder("train").write_json(RECORD, record)
        states.folder.delete()
        job.progress.say(f"model {artefact.model_id}, {models.epochs} epochs")
    job.summary.counts |= counts
    job.summary.model_id = artefact.model_id


def evaluate(job: Job) -> None:
    """Measure the evaluated fit beside the baselines fitted on the same rows; of a model in use, tell what was."""
    ingested, trained = job.ingested(), job.trained()
    with job.progress.stage("evaluate"):
        if job.in_use is not None:
            metrics = stored_metrics(sink_of(job, ingested.vocabularies.ids).read(METRICS), job.in_use.model_id)
            if not metrics:
                job.run.warn(
                    f"training.use_model: {job.in_use.model_id} has never been published, so it has no metrics"
                )
        else:
            stored = artifact.load(str(job.run.models / trained["model_id"]), "evaluated")
            scratch = job.folder("evaluate") / "ranked"
            evidence = Evidence(ingested.read(job.spark, "ratings"), ingested.read(job.spark, "users"), scratch)
            objective = job.settings.training.objective
            measured = measure(evidence, stored, job.settings.evaluation, objective, job.settings.scoring)
            metrics = [*measured.metrics, *epoch_metrics(trained["history"])]
            scratch.delete()
            job.folder("evaluate").write_json(GROUPS, [groups.as_dict() for groups in measured.groups])
        job.folder("evaluate").write_json(RECORD, [m._asdict() for m in metrics])
        job.summary.metrics = nested(metrics)
        say_metrics(job)
    job.summary.model_id = trained["model_id"]


def score_and_publish(job: Job) -> None:
    """Score all pairs, audit the lists and make them visible."""
    standing = open_books(job)
    job.discard("score")
    score(job)
    publish(job, standing)
    follow(job)


def score(job: Job) -> None:
    """Score every user of the run against every candidate, and stage the lists."""
    ingested, trained = job.ingested(), job.trained()
    with job.progress.stage("score"):
        scorers = scorers_for(str(job.run.models / trained["model_id"]), ingested.vocabularies)
        plan = plan_of_lists(job, ingested, folded_in(job, ingested, scorers), n_samples=trained["samples"])
        lists, pools = (job.folder("score") / name for name in ("lists", "pools"))
        wanted = wanted_users(job, ingested, plan, trained["model_id"])
        work = stage_lists(
            wanted.users,
            plan,
            ingested.vocabularies.ids,
            pools if plan.gives_pools else lists,
            n_users=wanted.n_users,
            blocks=wanted.blocks,
            say=job.progress.say,
        )
        if plan.gives_pools:
            cap(job, plan, pools, lists, n_lists=work.users)
        if wanted.carried is not None:
            wanted.carried.write.mode("append").parquet(str(lists))
        n_candidates = len(plan.candidates)
        skipped = work.users * n_candidates - work.scored
        by = "by a bound" if plan.segments is None else "by a bound or the user's segment"
        job.progress.say(
            f"{work.users:,} users x {n_candidates:,} candidates = {work.users * n_candidates:,} pairs decided, "
            f"{skipped:,} of them {by} (users by kernel: {work.kernels})"
        )
        if len(plan.candidates) < plan.top_n:
            job.run.warn(f"scoring.top_n is {plan.top_n}, but there are only {len(plan.candidates)} candidate items")
        counts = {"users_scored": work.users, "pairs_scored": work.users * n_candidates, "pairs_skipped": skipped}
        seal(job.folder("score"))
        job.folder("score").write_json(RECORD, {"counts": counts})
    job.summary.counts |= counts
    job.summary.model_id = trained["model_id"]
    job.summary.answers = ANSWERS[job.settings.training.objective]


def publish(job: Job, standing: Standing) -> None:
    """Audit the staged lists, then make them visible; `top_n` is the last table to change."""
    ingested, trained = job.ingested(), job.trained()
    staged = job.folder("score")
    lists = read_staged(job.spark, staged / "lists")
    job.summary.metrics = job.summary.metrics or nested(_measured(job))
    with job.progress.stage("audit"):
        found = audit_night(job, ingested, lists, stage=str(staged), compare=not standing.history_only)
    scored: dict[str, int] = staged.read_json(RECORD)["counts"]
    job.summary.counts |= ingested.counts | trained["counts"] | scored | found
    job.summary.model_id = trained["model_id"]
    job.summary.answers = ANSWERS[job.settings.training.objective]
    status = HISTORY_ONLY if standing.history_only else PUBLISHED
    with job.progress.stage("publish"):
        announce(job, status)
        _publish_tables(job, ingested, trained["model_id"], lists, current=status == PUBLISHED)
        job.summary.status = status
        # only now: an attempt that dies before leaves nothing of itself
        groups = job.folder("evaluate").read_json(GROUPS)
        if groups:
            job.run.evaluations.write_json(f"{job.run.run_id}.json", groups)
    with job.progress.stage("ledger"):
        enter(job, ingested.vocabularies.ids)
        if status == PUBLISHED:
            remember(job, ingested)


def tune(job: Job) -> None:
    """Search settings on the train and validation parts; publish the trials; train the best settings on everything."""
    from recsys_spark.training.fit import SidesOf
    from recsys_spark.training.opened import opened_rows
    from recsys_spark.training.progress_bar import ProgressBar
    from recsys_spark.tuning.search import search, write_best
    from recsys_spark.tuning.trials import trial_rows

    ingested = job.ingested() if (job.folder("ingest") / RECORD).exists() else ingest(job)

    def sides_for(settings: Settings) -> SidesOf:
        return KnownFeatures.of(settings, ingested).sides

    folder, say = job.study_folder(), job.progress.say
    with job.progress.stage("tune"):
        # trials may draw a half-life
        days = job.settings.source.columns.timestamp is not None
        with opened_rows(ingested.folder / "ratings", job.settings.training, days=days) as rows:
            found = search(
                job.settings, rows, sides_for, folder=folder, say=say, watcher=ProgressBar(say=job.progress.lines_only)
            )
        ids, run_id = ingested.vocabularies.ids, job.run.run_id
        sink = sink_of(job, ids)
        trials = trial_rows(job.spark, found, ids=ids, run_id=run_id, study=folder.path.name)
        sink.add_run(TRIALS, trials, run_id=run_id, keep=job.settings.output.history)
        job.summary.tables[TRIALS.name] = sink.location(TRIALS)
        say(f"the settings found: {write_best(folder, found)}")
    best = replace(job, settings=found.settings)
    best.fingerprint = job.fingerprint
    train(best)
    job.summary.tables["models"] = str(job.run.models / str(job.summary.model_id))


def _publish_tables(job: Job, ingested: Ingested, model_id: str, lists: DataFrame, *, current: bool) -> None:
    run, keep, sink = job.run, job.settings.output.history, sink_of(job, ingested.vocabularies.ids)
    rows = top_n_rows(lists, run, model_id, datetime.now(UTC))
    quarantine = ingested.read(job.spark, "quarantine").withColumn("run_id", F.lit(run.run_id))
    of_today = (
        lambda: sink.replace(RATINGS, ingested.read(job.spark, "ratings")),
        lambda: sink.replace(QUARANTINE, quarantine),
        lambda: sink.replace(ITEMS, ingested.read(job.spark, "items")),
        lambda: sink.replace(USERS, ingested.read(job.spark, "users")),
    )
    side_by_side(
        *(of_today if current else ()),
        lambda: sink.append(METRICS, _metrics(job, ingested, model_id)),
        lambda: sink.add_run(TOP_N_HISTORY, rows, run_id=run.run_id, keep=keep),
        lambda: sink.add_run(USER_OUTCOMES, outcome_rows(lists, run), run_id=run.run_id, keep=keep),
    )
    if current:
        job.check_lock()
        sink.publish(TOP_N, rows)
    sink.forget_old(keep)
    job.summary.tables = {table.name: sink.location(table) for table in TABLES}
    job.summary.tables["models"] = str(run.models / model_id)


def _tell_exclusions(job: Job, excluded: ExclusionCounts) -> None:
    job.progress.say(f"scoring.exclude: {excluded}")
    if excluded.unknown and not excluded.barred:
        job.run.warn(f"scoring.exclude bars nothing ({excluded}); are its columns the right ones?")


def _tell_unfinished(job: Job) -> None:
    if job.forgotten is not None and not job.forgotten.finished:
        job.run.warn("the job `forget` was stopped before its end: users are still to be erased; run it again")


def _metrics(job: Job, ingested: Ingested, model_id: str) -> DataFrame:
    return metric_rows(
        job.spark,
        _measured(job),
        ids=ingested.vocabularies.ids,
        run_id=job.run.run_id,
        model_id=model_id,
        strategy=job.settings.split.strategy,
        protocol=job.settings.evaluation.protocol,
    )


def _measured(job: Job) -> list[Metric]:
    """What the job `evaluate` has left; nothing if it has not run."""
    return [Metric(**m) for m in job.folder("evaluate").read_json(RECORD) or []]


def _night_inputs(settings: Settings) -> night.NightInputs:
    return night.NightInputs(
        settings.source,
        settings.items,
        settings.users,
        settings.quality,
        settings.split,
        seen=seen_filter(settings),
        exclude=settings.scoring.exclude,
        event_weights=settings.training.event_weights,
    )
