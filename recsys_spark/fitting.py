"""What a night's training is made of, or which stored model takes its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recsys_spark.errors import ConfigError
from recsys_spark.ingest.ingested import RECORD, Ingested
from recsys_spark.job import Job
from recsys_spark.known_features import KnownFeatures
from recsys_spark.manifest import Manifest
from recsys_spark.models.registry import model_for
from recsys_spark.stored_models import columns_of, scorers_for
from recsys_spark.training.rows import TrainingRows
from recsys_spark.warm_starts import Start, start_from

if TYPE_CHECKING:
    from recsys_spark.training.checkpoints import Checkpoints
    from recsys_spark.training.fit import Trainer


def trainer_of(job: Job, known: KnownFeatures, states: Checkpoints) -> Trainer:
    """What the fits of the night have in common."""
    from recsys_spark.training.fit import Trainer
    from recsys_spark.training.progress_bar import ProgressBar

    settings = job.settings
    return Trainer(
        model_for(settings.model),
        settings.training,
        known.sides,
        settings.quality.rating_range,
        watcher=ProgressBar(say=job.progress.lines_only),
        checkpoints=states,
    )


def start_of(job: Job, ingested: Ingested, known: KnownFeatures, rows: TrainingRows) -> Start:
    """Where the fits start; if they should start warm and cannot, the reader of the summary is told why."""
    from recsys_spark.training.fits import planned

    settings = job.settings
    if not settings.training.warm_start:
        return Start()
    columns = columns_of(known, rows, planned(rows, settings.training))
    start = start_from(job.run.models, job.last_model, settings, ingested.vocabularies, columns)
    if start.cold_because is not None:
        job.run.warn(f"training.warm_start: cold, since of the last model {job.last_model} {start.cold_because}")
    cold = f"cold start: {start.cold_because or 'no model of an earlier date'}"
    job.progress.say(cold if start.model_id is None else f"warm start from {start.model_id}")
    return start


def take_into_use(job: Job, ingested: Ingested, manifest: Manifest) -> None:
    """Leave the record that a training would have left.

    Raises:
        ConfigError: the model answers another question than the configuration asks.
        ArtifactError: it is damaged, or belongs to other users and items.
    """
    described = manifest.description
    objective = described.settings.get("training", {}).get("objective", "rating")
    if objective != job.settings.training.objective:
        raise ConfigError(
            "training.objective",
            expected=f"{objective}, as of the model {manifest.model_id} in use",
            found=job.settings.training.objective,
            hint="the configuration that the model was trained with has it",
        )
    with job.progress.stage("train"):
        # what is damaged ends the night here
        scorers_for(str(job.run.models / manifest.model_id), ingested.vocabularies)
        record = {
            "model_id": manifest.model_id,
            "samples": described.samples,
            "epochs": described.epochs["published"],
            "counts": {},
            "history": [],
        }
        job.folder("train").write_json(RECORD, record)
        job.progress.say(
            f"model {manifest.model_id} of {manifest.created_at:%Y-%m-%d %H:%M} UTC is used, none is trained"
        )
    job.summary.model_id = manifest.model_id
