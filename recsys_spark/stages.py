"""The stages of a night, composed of the folders' pieces. Jobs call these; each stage finds what the one before left.

    ingest -> train -> evaluate -> score (all pairs, audit, publish)

A stage keeps its private files in `_work/<stage>-<hash of its inputs>/`, whose record `stage.json` is written last.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark import artifact, config
from recsys_spark.eligibility import Eligibility
from recsys_spark.errors import DataError
from recsys_spark.evaluation.epochs import epoch_metrics
from recsys_spark.evaluation.fits import measure
from recsys_spark.evaluation.rating import MAIN, Metric
from recsys_spark.evaluation.rows import metric_rows, nested
from recsys_spark.ingest import candidate_pairs, night
from recsys_spark.ingest.encoding import Vocabularies
from recsys_spark.ingest.exclusions import ExclusionCounts
from recsys_spark.ingest.ingested import RECORD, Ingested, stored_ids
from recsys_spark.ingest.location import fingerprint
from recsys_spark.ingest.quality import NOT_SEEN, seen_rows
from recsys_spark.ingest.reconcile import reconcile, stored_rows
from recsys_spark.ingest.settings import SeenFilter
from recsys_spark.kernels.arrays import Flags
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.known_features import KnownFeatures
from recsys_spark.progress import Progress
from recsys_spark.publishing.audit import Promises, audit_lists
from recsys_spark.publishing.audit_users import audit_user_lists
from recsys_spark.publishing.ledger import ledger_row
from recsys_spark.publishing.rows import outcome_rows, ranked_pair_rows, top_n_rows, top_users_rows
from recsys_spark.publishing.sinks import SINKS
from recsys_spark.publishing.summary import Summary
from recsys_spark.run import Run, input_key
from recsys_spark.schemas import (
    ITEMS,
    METRICS,
    QUARANTINE,
    RANKED_PAIRS,
    RATINGS,
    RUNS,
    TABLES,
    TOP_N,
    TOP_N_HISTORY,
    TOP_USERS,
    TRIALS,
    USER_OUTCOMES,
    USERS,
    TableSchema,
)
from recsys_spark.scoring.all_pairs import ScoringPlan
from recsys_spark.scoring.allowed import among_allowed
from recsys_spark.scoring.flags import with_flag
from recsys_spark.scoring.left_out import with_barred
from recsys_spark.scoring.ranking import WITH_SCORE, RankingPlan, rank_pairs
from recsys_spark.scoring.staging import stage_lists
from recsys_spark.scoring.top_users import TopUsersPlan, stage_user_lists
from recsys_spark.scoring.uncertainty import Samples
from recsys_spark.settings import Settings
from recsys_spark.side_by_side import side_by_side
from recsys_spark.storage import Folder
from recsys_spark.stored_models import cold_in_test, night_artefact, save_with_networks


@dataclass
class Job:
    """What every stage needs: the session, the settings, the attempt, and where to report."""

    spark: SparkSession
    settings: Settings
    run: Run
    summary: Summary
    progress: Progress
    fingerprint: str | None = field(init=False)
    """Of the inputs, taken once: a source that changes while the job runs must not send its stages apart."""

    def __post_init__(self) -> None:
        self.fingerprint = _source_fingerprint(self.settings)


def nightly(job: Job) -> None:
    """The whole flow of a night."""
    preload_training()
    ingest(job)
    train(job)
    evaluate(job)
    score_and_publish(job)


def preload_training() -> None:
    """Import Keras in the background, which takes seconds, while Spark ingests."""
    from recsys_spark.training.fit import load_keras

    threading.Thread(target=load_keras, daemon=True).start()


def ingest(job: Job) -> Ingested:
    """Validate, encode and split the ratings; extend the vocabularies; group the seen lists."""
    with job.progress.stage("ingest"):
        inputs = _night_inputs(job.settings)
        folder = _folder(job, "ingest")
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
        done = Ingested(folder, job.fingerprint, vocabularies, counts, reasons)
        done.save()
        for scratch in ("checked", "classified", "new_users", "new_items", "exclusions", "barred"):
            (folder / scratch).delete()
        _eligibility(job, done)  # a condition that fails is to be told before hours of training
    job.summary.counts |= counts
    return done


def train(job: Job) -> None:
    """Fit the model and, on the same rows, the baselines; store them as an artefact."""
    from recsys_spark.training.fits import train as fit_all
    from recsys_spark.training.opened import opened_rows
    from recsys_spark.training.progress_bar import ProgressBar

    ingested, settings = _ingested(job), job.settings
    with job.progress.stage("train"), opened_rows(ingested.folder / "ratings", settings.training) as rows:
        known = KnownFeatures.of(settings, ingested)
        models = fit_all(
            settings.model,
            settings.training,
            rows,
            sides_of=known.sides,
            rating_range=settings.quality.rating_range,
            watcher=ProgressBar(),
        )
        artefact = night_artefact(
            models, rows, settings, ingested.vocabularies, known=known, fingerprint=ingested.fingerprint
        )
        save_with_networks(str(job.run.models), artefact, models)
        counts = cold_in_test(rows)
        record = {
            "model_id": artefact.model_id,
            "samples": models.published.n_samples,
            "epochs": models.epochs,
            "counts": counts,
            "history": [result._asdict() for result in models.history],
        }
        _folder(job, "train").write_json(RECORD, record)
        job.progress.say(f"model {artefact.model_id}, {models.epochs} epochs")
    job.summary.counts |= counts
    job.summary.model_id = artefact.model_id


def evaluate(job: Job) -> None:
    """Measure the evaluated fit beside the baselines fitted on the same rows."""
    ingested, trained = _ingested(job), _trained(job)
    with job.progress.stage("evaluate"):
        stored = artifact.load(str(job.run.models / trained["model_id"]), "evaluated")
        errors = measure(ingested.read(job.spark, "ratings"), stored, job.settings.evaluation)
        metrics = [*errors, *epoch_metrics(trained["history"])]
        _folder(job, "evaluate").write_json(RECORD, [m._asdict() for m in metrics])
        job.summary.metrics = nested(metrics)
        _say_metrics(job)
    job.summary.model_id = trained["model_id"]


def score_and_publish(job: Job) -> None:
    """Score all pairs, audit the lists and make them visible."""
    score(job)
    publish(job)


def score(job: Job) -> None:
    """Score every user of the run against every candidate, and stage the lists."""
    ingested, trained = _ingested(job), _trained(job)
    with job.progress.stage("score"):
        scorers = artifact.load(str(job.run.models / trained["model_id"]))
        plan = _plan(job, ingested, scorers, n_samples=trained["samples"])
        users, wanted = _left_out_of_lists(job, ingested), job.settings.scoring.users
        work = stage_lists(
            users,
            plan,
            ingested.vocabularies.ids,
            _folder(job, "score") / "lists",
            n_users=ingested.counts["users"] if wanted is None else len(wanted),
            blocks=len((ingested.folder / "seen").parquet_files()),
            say=job.progress.say,
        )
        n_candidates = len(plan.candidates)
        skipped = work.users * n_candidates - work.scored
        by = "by a bound" if plan.segments is None else "by a bound or the user's segment"
        job.progress.say(
            f"{work.users:,} users x {n_candidates:,} candidates = {work.users * n_candidates:,} pairs decided, "
            f"{skipped:,} of them {by} (users by kernel: {work.kernels})"
        )
        if len(plan.candidates) < plan.top_n:
            job.run.warn(f"scoring.top_n is {plan.top_n}, but there are only {len(plan.candidates)} candidate items")
    job.summary.counts |= {"pairs_scored": work.users * n_candidates, "pairs_skipped": skipped}
    job.summary.model_id = trained["model_id"]


def publish(job: Job) -> None:
    """Audit the staged lists, then make them visible; `top_n` is the last table to change."""
    ingested, trained = _ingested(job), _trained(job)
    staged, scoring = _folder(job, "score"), job.settings.scoring
    lists = job.spark.read.parquet(str(staged / "lists"))
    with job.progress.stage("audit"):
        found = audit_lists(
            lists,
            _users_of_run(job, ingested),
            Promises(
                n_items=ingested.vocabularies.items.size,
                top_n=scoring.top_n,
                exclude_seen=scoring.leaves_out_seen,
                variants=tuple(scoring.variants),
                min_score=scoring.min_score,
            ),
            stage=str(staged),
        )
    job.summary.counts |= ingested.counts | trained["counts"] | found
    with job.progress.stage("publish"):
        _publish_tables(job, ingested, trained["model_id"], lists)
        job.summary.status = "published"
    with job.progress.stage("ledger"):
        _enter_ledger(job, ingested)


def score_pairs(job: Job) -> None:
    """Rank the pairs of the table `pairs` by the last model, and make the table `ranked_pairs` of them."""
    ingested, trained, source = _ingested(job), _trained(job), job.settings.pairs
    staged, say = job.run.work("score_pairs", job.run.run_id), job.progress.say
    with job.progress.stage("pairs"):
        read = candidate_pairs.check_and_store(job.spark, source, ingested.vocabularies.ids, staged / "pairs")
    with job.progress.stage("rank"):
        scorers = artifact.load(str(job.run.models / trained["model_id"]))
        plan = RankingPlan(scorers[MAIN], _fallback(job, scorers), *_have_vectors(job, ingested, scorers))
        pairs, users, items = job.spark.read.parquet(str(staged / "pairs")), *_known_ids(job, ingested)
        rank_pairs(pairs, users, items, plan).write.mode("overwrite").parquet(str(staged / "ranked"))
        ranked = job.spark.read.parquet(str(staged / "ranked"))
        reasons = {row["reason"]: row["count"] for row in ranked.groupBy("reason").count().collect()}
        told = ", ".join(f"{reason} {n:,}" for reason, n in sorted(reasons.items()))
        say(f"{read:,} pairs read, {sum(reasons.values()):,} of them different: {told}")
    with_score = sum(reasons.get(reason, 0) for reason in WITH_SCORE)
    if not with_score:
        job.run.warn(f"pairs: none of them has a score ({told}); are its columns the right ones?")
    counts = {"pairs_read": read, "pairs_ranked": with_score, "rows_published": sum(reasons.values())}
    _publish_alone(job, ingested, RANKED_PAIRS, ranked_pair_rows(ranked, job.run, trained["model_id"], _now()))
    staged.delete()
    job.summary.counts |= counts
    job.summary.model_id = trained["model_id"]


def top_users(job: Job) -> None:
    """Find the best users for every candidate item by the last model, and make the table `top_users` of them."""
    ingested, trained = _ingested(job), _trained(job)
    staged = job.run.work("top_users", job.run.run_id)
    with job.progress.stage("score"):
        by_user = _plan(job, ingested, artifact.load(str(job.run.models / trained["model_id"])), n_samples=0)
        plan, n_items = _plan_of_users(job, ingested, by_user), len(by_user.candidates)
        items, users = _candidates(job, ingested, by_user), _left_out_of_lists(job, ingested)
        work = stage_user_lists(items, users, plan, ingested.vocabularies.ids, staged, n_items=n_items)
        decided = n_items * len(plan.users)
        job.progress.say(
            f"{n_items:,} items x {len(plan.users):,} users = {decided:,} pairs decided, "
            f"{decided - work.scored:,} of them by a bound (items by kernel: {work.kernels})"
        )
        if len(plan.users) < plan.n:
            job.run.warn(f"scoring.top_users is {plan.n}, but only {len(plan.users)} users have a trained vector")
    lists = job.spark.read.parquet(str(staged))
    with job.progress.stage("audit"):
        found = audit_user_lists(
            lists,
            _users_of_run(job, ingested),
            n_items=n_items,
            top_users=plan.n,
            exclude_seen=job.settings.scoring.leaves_out_seen,
            stage=str(staged),
        )
    if found["error"]:
        job.run.warn(f"top_users: {found['error']:,} items have no list, since a score of theirs is not finite")
    _publish_alone(job, ingested, TOP_USERS, top_users_rows(lists, job.run, trained["model_id"], _now()))
    staged.delete()
    counts = {"pairs_scored": decided, "pairs_skipped": decided - work.scored}
    job.summary.counts |= counts | {"rows_published": found["rows_published"]}
    job.summary.model_id = trained["model_id"]


def tune(job: Job) -> None:
    """Search settings on the train and validation parts; publish the trials; train the best settings on everything."""
    from recsys_spark.training.fit import SidesOf
    from recsys_spark.training.opened import opened_rows
    from recsys_spark.training.progress_bar import ProgressBar
    from recsys_spark.tuning.search import search, write_best
    from recsys_spark.tuning.trials import trial_rows

    ingested = _ingested(job) if (_folder(job, "ingest") / RECORD).exists() else ingest(job)

    def sides_for(settings: Settings) -> SidesOf:
        return KnownFeatures.of(settings, ingested).sides

    folder, say = _study_folder(job), job.progress.say
    with job.progress.stage("tune"):
        with opened_rows(ingested.folder / "ratings", job.settings.training) as rows:
            found = search(job.settings, rows, sides_for, folder=folder, say=say, watcher=ProgressBar())
        ids, run_id = ingested.vocabularies.ids, job.run.run_id
        sink = SINKS[job.settings.output.format](job.spark, job.run.output, ids, run_id)
        trials = trial_rows(job.spark, found, ids=ids, run_id=run_id, study=folder.path.name)
        sink.add_run(TRIALS, trials, run_id=run_id, keep=job.settings.output.history)
        job.summary.tables[TRIALS.name] = sink.location(TRIALS)
        say(f"the settings found: {write_best(folder, found)}")
    best = replace(job, settings=found.settings)
    best.fingerprint = job.fingerprint
    train(best)
    job.summary.tables["models"] = str(job.run.models / str(job.summary.model_id))


def _publish_tables(job: Job, ingested: Ingested, model_id: str, lists: DataFrame) -> None:
    ids, run, keep = ingested.vocabularies.ids, job.run, job.settings.output.history
    sink = SINKS[job.settings.output.format](job.spark, run.output, ids, run.run_id)
    rows = top_n_rows(lists, run, model_id, datetime.now(UTC))
    quarantine = ingested.read(job.spark, "quarantine").withColumn("run_id", F.lit(run.run_id))
    side_by_side(
        lambda: sink.replace(RATINGS, ingested.read(job.spark, "ratings")),
        lambda: sink.replace(QUARANTINE, quarantine),
        lambda: sink.replace(ITEMS, ingested.read(job.spark, "items")),
        lambda: sink.replace(USERS, ingested.read(job.spark, "users")),
        lambda: sink.append(METRICS, _metrics(job, ingested, model_id)),
        lambda: sink.add_run(TOP_N_HISTORY, rows, run_id=run.run_id, keep=keep),
        lambda: sink.add_run(USER_OUTCOMES, outcome_rows(lists, run), run_id=run.run_id, keep=keep),
    )
    sink.publish(TOP_N, rows)
    sink.forget_old(keep)
    job.summary.tables = {table.name: sink.location(table) for table in TABLES}
    job.summary.tables["models"] = str(run.models / model_id)


def _publish_alone(job: Job, ingested: Ingested, table: TableSchema, rows: DataFrame) -> None:
    """Make the answer to one question visible; the tables of the night stay as they are."""
    with job.progress.stage("publish"):
        sink = SINKS[job.settings.output.format](job.spark, job.run.output, ingested.vocabularies.ids, job.run.run_id)
        sink.publish_alone(table, rows)
    job.summary.tables[table.name] = sink.location(table)


def _enter_ledger(job: Job, ingested: Ingested) -> None:
    ids = ingested.vocabularies.ids
    job.summary.seconds = dict(job.progress.seconds)
    sink = SINKS[job.settings.output.format](job.spark, job.run.output, ids, job.run.run_id)
    config_hash = config.digest(job.settings, leave_out=("run", "tune", "pairs"))
    row = ledger_row(
        job.spark, job.run, job.summary, ids=ids, fingerprint=ingested.fingerprint, config_hash=config_hash
    )
    sink.append(RUNS, row)


def _plan(job: Job, ingested: Ingested, scorers: dict[str, Any], *, n_samples: int) -> ScoringPlan:
    """Candidates are the eligible, allowed items with a training rating, or with features if the model uses them.

    All ids of items are held on the driver.
    """
    settings = job.settings
    item_ids, eligible = stored_ids(ingested.folder / "items", "item")
    has_vector, usable_items = _have_vectors(job, ingested, scorers)
    candidates = np.flatnonzero(usable_items & eligible).astype(np.int32)
    eligibility = _eligibility(job, ingested)
    if eligibility.allowed is not None:
        candidates = among_allowed(candidates, eligibility.allowed)
    return ScoringPlan(
        scorer=scorers[MAIN],
        fallback=_fallback(job, scorers),
        has_vector=has_vector,
        candidates=candidates,
        item_ids=item_ids,
        top_n=settings.scoring.top_n,
        exclude_seen=settings.scoring.leaves_out_seen or settings.scoring.exclude is not None,
        samples=Samples(scorers["samples"], n_samples) if n_samples else None,
        kernel=settings.scoring.kernel,
        variants=eligibility.variants,
        min_score=settings.scoring.min_score,
        # numbers of ratings are no scores of that kind
        min_fallback_score=settings.scoring.min_score if settings.scoring.fallback == "damped_mean" else None,
        segments=eligibility.segments,
        segment_of=eligibility.segment_of,
    )


def _eligibility(job: Job, ingested: Ingested) -> Eligibility:
    return Eligibility.of(job.spark, job.settings, ingested, job.progress.say)


def _plan_of_users(job: Job, ingested: Ingested, plan: ScoringPlan) -> TopUsersPlan:
    """Users of the run who have a vector. All ids of users are held on the driver, as their vectors are."""
    user_ids, eligible = stored_ids(ingested.folder / "users", "user")
    wanted = job.settings.scoring.users
    if wanted is not None:
        eligible &= pc.is_in(user_ids.cast(pa.string()), pa.array(wanted, pa.string())).to_numpy(zero_copy_only=False)
    users = np.flatnonzero(plan.has_vector & eligible).astype(np.int32)
    return TopUsersPlan(plan.scorer, users, user_ids, job.settings.scoring.top_users, plan.kernel)


def _candidates(job: Job, ingested: Ingested, plan: ScoringPlan) -> DataFrame:
    """`item_id`, `item_index` of the candidates."""
    is_candidate = np.zeros(len(plan.item_ids), np.bool_)
    is_candidate[plan.candidates] = True
    _, items = _known_ids(job, ingested)
    return with_flag(items, "is_candidate", is_candidate, index="item_index").where("is_candidate")


def _have_vectors(job: Job, ingested: Ingested, scorers: dict[str, PairScorer]) -> tuple[Flags, Flags]:
    """Which users and which items the model knows: by a training rating, or by features if it uses them."""
    popularity, known = scorers["popularity"], KnownFeatures.of(job.settings, ingested)
    users, items = popularity.user_bias, popularity.item_bias
    assert users is not None
    assert items is not None
    return (users > 0) | known.usable("user"), (items > 0) | known.usable("item")


def _fallback(job: Job, scorers: dict[str, PairScorer]) -> PairScorer:
    """What orders the items for users without a vector."""
    return scorers["item_mean" if job.settings.scoring.fallback == "damped_mean" else "popularity"]


def _known_ids(job: Job, ingested: Ingested) -> tuple[DataFrame, DataFrame]:
    """Every user and every item that has an index: `user_id`, `user_index`; `item_id`, `item_index`."""
    users, items = ingested.read(job.spark, "users"), ingested.read(job.spark, "items")
    return users.select("user_id", "user_index"), items.select("item_id", "item_index")


def _tell_exclusions(job: Job, excluded: ExclusionCounts) -> None:
    job.progress.say(f"scoring.exclude: {excluded}")
    if excluded.unknown and not excluded.barred:
        job.run.warn(f"scoring.exclude bars nothing ({excluded}); are its columns the right ones?")


def _users_of_run(job: Job, ingested: Ingested) -> DataFrame:
    users = ingested.read(job.spark, "seen")
    wanted = job.settings.scoring.users
    return users if wanted is None else users.where(F.col("user_id").cast("string").isin(*wanted))


def _left_out_of_lists(job: Job, ingested: Ingested) -> DataFrame:
    """The users of the run with all that is left out for them in the one column `seen`."""
    users, scoring = _users_of_run(job, ingested), job.settings.scoring
    if scoring.leaves_out_seen and scoring.exclude is None:
        return users
    return with_barred(users, seen=scoring.leaves_out_seen)


def _now() -> datetime:
    return datetime.now(UTC)


def _metrics(job: Job, ingested: Ingested, model_id: str) -> DataFrame:
    stored = _folder(job, "evaluate").read_json(RECORD) or []
    metrics = [Metric(**m) for m in stored]
    job.summary.metrics = job.summary.metrics or nested(metrics)
    return metric_rows(
        job.spark,
        metrics,
        ids=ingested.vocabularies.ids,
        run_id=job.run.run_id,
        model_id=model_id,
        strategy=job.settings.split.strategy,
        protocol=job.settings.evaluation.protocol,
    )


def _say_metrics(job: Job) -> None:
    tree = job.summary.metrics
    part = "test" if "test" in tree else "train"
    others = ", ".join(f"{name} {m['mse']:.4f}" for name, m in tree["baseline"].items())
    low, high = tree[part].get("intervals", {}).get("mse", (None, None))
    interval = "" if low is None else f" [{low:.4f}, {high:.4f}]"
    job.progress.say(f"{part} MSE {tree[part]['mse']:.4f}{interval} (baselines: {others})")


def _ingested(job: Job) -> Ingested:
    return Ingested.load(_folder(job, "ingest"))


def _trained(job: Job) -> dict[str, Any]:
    stored: dict[str, Any] | None = _folder(job, "train").read_json(RECORD)
    if stored is None:
        hint = "run the job `train` with the same configuration and sources first, or `nightly` for everything"
        raise DataError("stage train", expected="a model of these inputs and settings", found="none", hint=hint)
    return stored


def _night_inputs(settings: Settings) -> night.NightInputs:
    return night.NightInputs(
        settings.source,
        settings.items,
        settings.users,
        settings.quality,
        settings.split,
        seen=_seen_filter(settings),
        exclude=settings.scoring.exclude,
    )


def _seen_filter(settings: Settings) -> SeenFilter | None:
    """Which seen rows ingest makes its lists of; whether they are used at all is not its concern."""
    seen = settings.scoring.exclude_seen
    return seen if isinstance(seen, SeenFilter) else None


def _source_fingerprint(settings: Settings) -> str | None:
    """Of all inputs together; none where one of them has none."""
    prints = [fingerprint(table.path) for table in settings.tables_read if table.path is not None]
    return None if None in prints else input_key(*prints)


def _study_folder(job: Job) -> Folder:
    """The folder of a search, by the hash of all that its trials depend on; without a fingerprint none is continued."""
    tune = config.as_tree(job.settings.tune)
    search = {key: value for key, value in tune.items() if key not in ("trials", "timeout")}
    inputs = (job.fingerprint or job.run.run_id, _folder(job, "train").location.rpartition("/")[2], search)
    return job.run.output / "tuning" / input_key(*inputs)


def _folder(job: Job, stage: str) -> Folder:
    """The private folder of a stage, by the hash of all that it depends on."""
    tree = config.as_tree(job.settings)
    inputs = [tree[section] for section in ("source", "items", "users", "quality", "split")]
    if stage in ("ingest", "score"):
        inputs.append(_list_inputs(job))
    if stage != "ingest":
        # the baselines are fitted beside the model
        inputs += [tree["model"], tree["training"], tree["evaluation"]["baseline_damping"]]
    if stage in ("evaluate", "score"):
        inputs.append(tree["evaluation" if stage == "evaluate" else "scoring"])
    return job.run.work(stage, input_key(job.fingerprint, *inputs))


def _list_inputs(job: Job) -> dict[str, Any]:
    """What the lists of seen and of barred items depend on beyond the ratings.

    The business date only where a period counts from it.
    """
    seen, exclude = _seen_filter(job.settings), job.settings.scoring.exclude
    dated = (seen is not None and seen.within_days is not None) or (
        exclude is not None and exclude.columns.until is not None
    )
    return {
        "seen": None if seen is None else config.as_tree(seen),
        "exclude": None if exclude is None else config.as_tree(exclude),
        "as_of": job.run.as_of.isoformat() if dated else None,
    }
