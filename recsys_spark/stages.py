"""The stages of a night, composed of the folders' pieces. Jobs call these; each stage finds what the one before left.

    ingest -> train -> evaluate -> score -> publish

A stage keeps its private files in `_work/<stage>-<hash of its inputs>/`, whose record `stage.json` is written last.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark import artifact, config
from recsys_spark.errors import DataError
from recsys_spark.evaluation.baselines import RATING_BASELINES, fit_baselines
from recsys_spark.evaluation.rating import Metric, rating_errors
from recsys_spark.evaluation.rows import metric_rows
from recsys_spark.ingest import night
from recsys_spark.ingest.ingested import RECORD, Ingested
from recsys_spark.ingest.quality import seen_rows
from recsys_spark.ingest.reconcile import reconcile, stored_rows
from recsys_spark.ingest.sources.location import fingerprint
from recsys_spark.models.registry import model_for
from recsys_spark.progress import Progress
from recsys_spark.publishing.audit import audit_lists
from recsys_spark.publishing.ledger import ledger_row
from recsys_spark.publishing.rows import outcome_rows, top_n_rows
from recsys_spark.publishing.sinks import SINKS
from recsys_spark.publishing.summary import Summary
from recsys_spark.run import Run, input_key
from recsys_spark.schemas import ITEMS, METRICS, QUARANTINE, RATINGS, RUNS, TOP_N, TOP_N_HISTORY, USER_OUTCOMES, USERS
from recsys_spark.scoring.all_pairs import ScoringPlan, score_all_pairs
from recsys_spark.settings import Settings
from recsys_spark.storage import Folder


@dataclass
class Job:
    """What every stage needs: the session, the settings, the attempt, and where to report."""

    spark: SparkSession
    settings: Settings
    run: Run
    summary: Summary
    progress: Progress


def nightly(job: Job) -> None:
    """The whole flow of a night."""
    ingest(job)
    train(job)
    evaluate(job)
    score(job)


def ingest(job: Job) -> Ingested:
    """Validate, encode and split the ratings; extend the vocabularies; group the seen lists."""
    with job.progress.stage("ingest"):
        inputs = _night_inputs(job.settings)
        folder = _folder(job, "ingest")
        folder.delete()
        checked, ratings_read = night.check_and_store(job.spark, inputs, folder)
        metadata = night.load_metadata(job.spark, inputs)
        ids = night.pinned_types(checked, inputs.source.id_type, night.Vocabularies.load(job.run.state))
        classified = night.classify_and_store(job.spark, checked, ids, inputs, metadata, folder)
        vocabularies = night.extend_vocabularies(job.spark, seen_rows(classified), metadata, ids, job.run, folder)
        night.encode_and_store(job.spark, classified, vocabularies, inputs, job.run, folder)
        counts, reasons = reconcile(job.spark, folder, ratings_read, inputs.quality)
        if not counts["ratings_accepted"]:
            raise DataError("ratings", expected="at least one accepted rating", found=f"none of {ratings_read:,} ({reasons})")
        night.describe_and_store(job.spark, classified, vocabularies, metadata, inputs, job.run, folder)
        counts |= {"users": stored_rows(folder / "seen"), "items": vocabularies.items.size}
        job.progress.say(
            f"{ratings_read:,} ratings read, {counts['ratings_accepted']:,} accepted, quarantined: {reasons or 'none'}"
        )
        done = Ingested(folder, _source_fingerprint(job.settings), vocabularies, counts, reasons)
        done.save()
        for scratch in ("checked", "classified", "new_users", "new_items"):
            (folder / scratch).delete()
    job.summary.counts |= counts
    return done



def _night_inputs(settings: Settings) -> night.NightInputs:
    return night.NightInputs(settings.source, settings.items, settings.users, settings.quality, settings.split)


def _source_fingerprint(settings: Settings) -> str | None:
    """Of all inputs together; none where one of them has none."""
    paths = [s.path for s in (settings.source, settings.items, settings.users) if s.path is not None]
    prints = [fingerprint(path) for path in paths]
    return None if None in prints else input_key(*prints)


def _folder(job: Job, stage: str) -> Folder:
    """The private folder of a stage, by the hash of all that it depends on."""
    tree = config.as_tree(job.settings)
    sections = ["source", "items", "users", "quality", "split"]
    if stage != "ingest":
        sections += ["model", "training"]
    sections += {"evaluate": ["evaluation"], "score": ["scoring"]}.get(stage, [])
    return job.run.work(stage, input_key(_source_fingerprint(job.settings), *(tree[s] for s in sections)))
