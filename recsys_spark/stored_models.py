"""What a night stores of its fits: the model's scorers with the baselines of the same rows beside them.

The baselines travel with the model, because evaluation compares with them, users without a vector get their lists from
them. `known` says who and what the fit has learnt something about.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from recsys_spark import artifact
from recsys_spark.artifact import Artefact
from recsys_spark.errors import ArtifactError, ConfigError, DataError
from recsys_spark.evaluation.baselines import fit_baselines
from recsys_spark.evaluation.baselines import with_histories as told
from recsys_spark.evaluation.fits import validated
from recsys_spark.evaluation.rating import KNOWN, MAIN, VALIDATED
from recsys_spark.ingest.encoding import Vocabularies
from recsys_spark.kernels.arrays import I32, Flags
from recsys_spark.kernels.digests import BITS, as_columns, history_digests
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.known_features import KnownFeatures
from recsys_spark.manifest import Description, FitName, Manifest, Role, read_manifest
from recsys_spark.models.folds import HISTORY_SCORER, history_scorer
from recsys_spark.models.sides import SIDES, Side
from recsys_spark.models.softmax import HISTORY
from recsys_spark.settings import Settings
from recsys_spark.storage import Folder
from recsys_spark.training.fits import HISTORIES as HISTORIES_OF
from recsys_spark.training.fits import TrainedModels, rows_of
from recsys_spark.training.fitted import SAMPLES, Fitted, present
from recsys_spark.training.held_out_users import fold_of_fit, with_histories
from recsys_spark.training.likes import liked_at
from recsys_spark.training.recency import Recency
from recsys_spark.training.rows import PARTS, TrainingRows

HISTORIES = "histories"
"""The scorer whose user side holds a digest of each user's ratings on the night of the fit."""


def night_artefact(
    models: TrainedModels,
    rows: TrainingRows,
    settings: Settings,
    vocabularies: Vocabularies,
    *,
    known: KnownFeatures,
    fingerprint: str | None,
    started_from: str | None = None,
) -> Artefact:
    """The fits of a night, ready to be stored.

    Args:
        models: the fits.
        rows: all training rows, with their parts.
        settings: of the night.
        vocabularies: that the rows' indices belong to.
        known: features of users and items.
        fingerprint: of the inputs; none where one has none.
        started_from: the model whose weights the fits started from; none: fresh weights.
    """
    evaluated = _judged("evaluated", models.evaluated, rows, settings, vocabularies, known)
    if models.validated is not None:
        of_train = _judged("validated", models.validated, rows, settings, vocabularies, known)
        evaluated |= {VALIDATED if name == MAIN else validated(name): scorer for name, scorer in of_train.items()}
    refitted = models.published is not models.evaluated
    learnt = rows if refitted else rows_of("evaluated", rows)
    published = models.published.scorers() | _baselines(learnt, settings, vocabularies)
    published[KNOWN] = _known(learnt, settings, known)
    published[HISTORIES] = _histories(rows, vocabularies)
    memory = models.published.memory
    if f"{HISTORY}.0" in memory:
        published[HISTORY_SCORER] = history_scorer(memory[f"{HISTORY}.0"], vocabularies.users.size)
    # a night that starts cold for ever needs no more than what is scored and measured
    to_start_from = models.fits if settings.training.warm_start else {}
    description = Description(
        model=settings.model.name,
        settings={
            "model": settings.model.model_dump(mode="json"),
            "training": settings.training.model_dump(mode="json"),
            "split": settings.split.model_dump(mode="json"),
        },
        vocabularies={
            side: {"size": vocabulary.size, "digest": vocabulary.digest}
            for side, vocabulary in (("user", vocabularies.users), ("item", vocabularies.items))
        },
        data_fingerprint=fingerprint or "",
        target=_target(models, learnt, settings),
        features=known.description(learnt),
        samples=models.published.n_samples,
        epochs={"evaluated": models.evaluated.epochs, "published": models.published.epochs},
        columns=columns_of(known, rows, to_start_from),
        started_from=started_from,
    )
    weights = {fit: fitted.learned() for fit, fitted in to_start_from.items()}
    return Artefact(description, {"published": published, "evaluated": evaluated}, weights=weights)


def columns_of(
    known: KnownFeatures, rows: TrainingRows, fits: Iterable[FitName]
) -> dict[FitName, dict[str, list[str]]]:
    """The names of the feature columns of some fits, by side: each encodes the features by its own rows."""
    described = {fit: known.description(rows_of(fit, rows)) for fit in fits}
    return {fit: {side: encoder["names"] for side, encoder in sides.items()} for fit, sides in described.items()}


def in_use(models: Folder, wanted: str, *, max_age: int | None, end: datetime) -> Manifest:
    """The stored model that is to be used instead of a new one.

    Args:
        models: the folder of all artefacts.
        wanted: a model_id, or `latest`.
        max_age: days that it may be old; none: any age.
        end: of the business date, from which its age counts.

    Raises:
        ConfigError: there is none of that name, or none at all.
        ArtifactError: its manifest is damaged.
        DataError: it is too old.
    """
    stored = [name for name in models.children() if not name.startswith(".")]
    hint = "the job `train` makes one; the folders in it are the model_ids: " + (", ".join(stored[-5:]) or "none")
    if not stored if wanted == "latest" else wanted not in stored:
        found = f"no model at all in {models}" if wanted == "latest" else f"none of that name in {models}"
        raise ConfigError("training.use_model", expected="a stored model", found=found, hint=hint)
    if wanted == "latest":
        manifest = max((read_manifest(str(models / name)) for name in stored), key=lambda m: m.created_at)
    else:
        manifest = read_manifest(str(models / wanted))
    age = (end - manifest.created_at).total_seconds() / 86_400
    if max_age is not None and age > max_age:
        found = (
            f"{manifest.model_id}, made {manifest.created_at:%Y-%m-%d %H:%M} UTC, {age:.1f} days before the end of the"
        )
        raise DataError(
            "training.max_model_age",
            expected=f"a model of at most {max_age} days",
            found=f"{found} business date",
            hint="run a night that trains (without training.use_model), or allow a larger age",
        )
    return manifest


def scorers_for(folder: str, vocabularies: Vocabularies) -> dict[str, PairScorer]:
    """The published scorers of an artefact, with a row for every user and item of a night.

    Raises:
        ArtifactError: it is damaged, or belongs to other users and items.
    """
    check_fits(read_manifest(folder), vocabularies, at=folder)
    users, items = vocabularies.users.size, vocabularies.items.size
    return {name: scorer.extended(users, items) for name, scorer in artifact.load(folder).items()}


def check_fits(manifest: Manifest, vocabularies: Vocabularies, *, at: str) -> None:
    """Refuse an artefact whose indices mean other users or items; ids that were added since do no harm.

    Vocabularies only grow, so an artefact fits those that begin with its own.

    Args:
        manifest: of the artefact.
        vocabularies: that its indices are going to be used with.
        at: its folder, for messages.

    Raises:
        ArtifactError: it was fitted on other vocabularies, or its tensors are not as long as its own.
    """
    for side, vocabulary in (("user", vocabularies.users), ("item", vocabularies.items)):
        stored = manifest.description.vocabularies.get(side, {})
        size, digest = stored.get("size"), stored.get("digest")
        if not (isinstance(size, int) and isinstance(digest, str) and vocabulary.begins_with(size, digest)):
            raise ArtifactError(
                f"{at}: {side}s",
                expected=f"a vocabulary that is, or was, this output's ({vocabulary.size:,} {side}s, "
                f"digest {vocabulary.digest})",
                found=f"one of {size} {side}s, digest {digest}",
                hint="its indices mean other ids: it was trained for another output folder; train again",
            )
        for role, scorers in manifest.scorers.items():
            for name, record in scorers.items():
                rows = record.tensors.get(side, [None])[0]
                if rows != size:
                    expected = f"{size} rows, one for each {side} of its vocabulary"
                    raise ArtifactError(f"{at}: {role}/{name}: {side}", expected=expected, found=str(rows))


def save_with_networks(folder: str, artefact: Artefact, models: TrainedModels) -> Path:
    """Store an artefact with the Keras networks beside its tensors; gives its folder."""
    with tempfile.TemporaryDirectory() as temporary:
        files: dict[Role, Path] = {}
        for role, fitted in (("published", models.published), ("evaluated", models.evaluated)):
            files[role] = Path(temporary) / f"{role}.keras"  # type: ignore[index]
            fitted.network.save(files[role])  # type: ignore[index]
        return artifact.save(folder, replace(artefact, keras_files=files))


def cold_in_test(rows: TrainingRows) -> dict[str, int]:
    """How many users and items of the test part have no rating in the rows that the evaluated model knows."""
    test = rows.part == PARTS.index("test")
    told = np.isin(rows.part, [PARTS.index(part) for part in ("train", "validation", *HISTORIES_OF.values())])

    def cold(index: I32) -> int:
        count = int(index.max(initial=-1)) + 1
        return int((present(index[test], count) & ~present(index[told], count)).sum())

    return {"test_cold_users": cold(rows.user), "test_cold_items": cold(rows.item)}


def _target(models: TrainedModels, learnt: TrainingRows, settings: Settings) -> dict[str, float]:
    """What the published fit has learned: how ratings were scaled and weighed, the lowest rating of a like."""
    scaling = {"offset": models.published.target.offset, "scale": models.published.target.scale}
    recency = Recency.of(learnt, settings.training.half_life_days)
    if recency is not None:
        scaling |= recency.as_dict()
    if settings.training.objective == "rating":
        return scaling
    return scaling | {"liked_at": liked_at(learnt, settings.training)}


def _histories(rows: TrainingRows, vocabularies: Vocabularies) -> PairScorer:
    """A digest of all ratings of each user on the night of the fit, in whichever part."""
    users, items = vocabularies.users.size, vocabularies.items.size
    digests = np.zeros(users, np.uint64)
    for chunk in rows.chunks():
        digests += history_digests(chunk.user, chunk.item, chunk.rating, users, chunk.day)
    columns = as_columns(digests & np.uint64((1 << BITS) - 1))
    return PairScorer(user=columns, item=np.zeros((items, columns.shape[1]), np.float32))


def _known(rows: TrainingRows, settings: Settings, known: KnownFeatures) -> PairScorer:
    """1 for each user and item that a fit knows: by a rating (for ranking, a like), or by features if it uses them."""
    usable: dict[Side, Flags] = {side: known.usable(side) for side in SIDES}
    users, items = usable["user"].copy(), usable["item"].copy()
    ranks, training = settings.training.objective == "ranking", settings.training
    least = np.float32(liked_at(rows, training) if ranks and len(rows) else -np.inf)
    for chunk in rows.chunks():
        learnt = chunk.rating >= least
        users[chunk.user[learnt]] = items[chunk.item[learnt]] = True
    return PairScorer(
        user=np.zeros((len(users), 0), np.float32),
        item=np.zeros((len(items), 0), np.float32),
        user_bias=users.astype(np.float32),
        item_bias=items.astype(np.float32),
    )


def _judged(
    fit: FitName,
    fitted: Fitted,
    rows: TrainingRows,
    settings: Settings,
    vocabularies: Vocabularies,
    known: KnownFeatures,
) -> dict[str, PairScorer]:
    """The scorers of a fit that is measured, with the baselines of its rows; users held out of it are folded in."""
    own, history = rows_of(fit, rows), rows.select(HISTORIES_OF[fit])
    scorers, ranks = fitted.scorers(), settings.training.objective == "ranking"
    # only what is published has deviations, and samples are many times larger than the model
    scorers.pop(SAMPLES, None)
    baselines = _baselines(own, settings, vocabularies)
    if ranks:
        baselines[KNOWN] = _known(own, settings, known)
    if len(history):
        least = liked_at(own, settings.training) if ranks else None
        recency = Recency.of(own, settings.training.half_life_days)
        fold = fold_of_fit(fitted.model, scorers, fitted.memory, settings.training, liked_at=least, recency=recency)
        assert fold is not None
        scorers = with_histories(scorers, fold, history, recency=recency)
        damping = settings.evaluation.baseline_damping
        baselines = told(baselines, history.user, history.item, history.rating, damping=damping)
        if ranks:
            has_vector: Flags = np.any(scorers[MAIN].user, axis=1)
            baselines[KNOWN] = replace(baselines[KNOWN], user_bias=has_vector.astype(np.float32))
    return scorers | baselines


def _baselines(rows: TrainingRows, settings: Settings, vocabularies: Vocabularies) -> dict[str, PairScorer]:
    return fit_baselines(
        rows.user,
        rows.item,
        rows.rating,
        n_users=vocabularies.users.size,
        n_items=vocabularies.items.size,
        damping=settings.evaluation.baseline_damping,
    )
