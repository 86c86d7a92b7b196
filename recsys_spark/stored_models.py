"""What a night stores of its fits: the model's scorers with the baselines of the same rows beside them.

The baselines travel with the model, because evaluation compares with them, users without a vector get their lists from
them, and `popularity` says who and what the fit was trained on.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from recsys_spark import artifact
from recsys_spark.artifact import Artefact
from recsys_spark.evaluation.baselines import fit_baselines
from recsys_spark.evaluation.fits import validated
from recsys_spark.evaluation.rating import MAIN, VALIDATED
from recsys_spark.ingest.encoding import Vocabularies
from recsys_spark.kernels.arrays import I32
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.known_features import KnownFeatures
from recsys_spark.manifest import Description, Role
from recsys_spark.settings import Settings
from recsys_spark.training.fits import TrainedModels
from recsys_spark.training.fitted import SAMPLES, present
from recsys_spark.training.rows import PARTS, TrainingRows


def night_artefact(
    models: TrainedModels,
    rows: TrainingRows,
    settings: Settings,
    vocabularies: Vocabularies,
    *,
    known: KnownFeatures,
    fingerprint: str | None,
) -> Artefact:
    """The fits of a night, ready to be stored.

    Args:
        models: the fits.
        rows: all training rows, with their parts.
        settings: of the night.
        vocabularies: that the rows' indices belong to.
        known: features of users and items.
        fingerprint: of the inputs; none where one has none.
    """
    held_in = rows.select("train", "validation")
    evaluated = models.evaluated.scorers() | _baselines(held_in, settings, vocabularies)
    # only what is published has deviations, and samples are many times larger than the model
    evaluated.pop(SAMPLES, None)
    if models.validated is not None:
        evaluated[VALIDATED] = models.validated.scorers()[MAIN]
        of_train = _baselines(rows.select("train"), settings, vocabularies)
        evaluated |= {validated(name): scorer for name, scorer in of_train.items()}
    refitted = models.published is not models.evaluated
    published = models.published.scorers() | _baselines(rows if refitted else held_in, settings, vocabularies)
    description = Description(
        model=settings.model.name,
        settings={
            "model": settings.model.model_dump(mode="json"),
            "training": settings.training.model_dump(mode="json"),
        },
        vocabularies={
            side: {"size": vocabulary.size, "digest": vocabulary.digest}
            for side, vocabulary in (("user", vocabularies.users), ("item", vocabularies.items))
        },
        data_fingerprint=fingerprint or "",
        target={"offset": models.published.target.offset, "scale": models.published.target.scale},
        features=known.description(rows if refitted else held_in),
        samples=models.published.n_samples,
        epochs={"evaluated": models.evaluated.epochs, "published": models.published.epochs},
    )
    return Artefact(description, {"published": published, "evaluated": evaluated})


def save_with_networks(folder: str, artefact: Artefact, models: TrainedModels) -> Path:
    """Store an artefact with the Keras networks beside its tensors; gives its folder."""
    with tempfile.TemporaryDirectory() as temporary:
        files: dict[Role, Path] = {}
        for role, fitted in (("published", models.published), ("evaluated", models.evaluated)):
            files[role] = Path(temporary) / f"{role}.keras"  # type: ignore[index]
            fitted.network.save(files[role])  # type: ignore[index]
        return artifact.save(folder, Artefact(artefact.description, artefact.scorers, files))


def cold_in_test(rows: TrainingRows) -> dict[str, int]:
    """How many users and items of the test part have no rating in the rows that the evaluated model is fitted on."""
    test = rows.part == PARTS.index("test")

    def cold(index: I32) -> int:
        count = int(index.max(initial=-1)) + 1
        return int((present(index[test], count) & ~present(index[~test], count)).sum())

    return {"test_cold_users": cold(rows.user), "test_cold_items": cold(rows.item)}


def _baselines(rows: TrainingRows, settings: Settings, vocabularies: Vocabularies) -> dict[str, PairScorer]:
    return fit_baselines(
        rows.user,
        rows.item,
        rows.rating,
        n_users=vocabularies.users.size,
        n_items=vocabularies.items.size,
        damping=settings.evaluation.baseline_damping,
    )
