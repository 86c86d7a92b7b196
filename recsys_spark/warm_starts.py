"""Where the fits of a night start: from what those of the last published night have learned, or cold.

A warm start must not carry into a fit what that fit is judged by. The validated fit is judged by the validation part,
and the evaluated one by the test part. So each starts from the fit of its own name, and only where the split leaves
every row in its part for ever: then what it starts from has never seen those rows, nor have its own predecessors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from recsys_spark import artifact
from recsys_spark.errors import ArtifactError
from recsys_spark.ingest.encoding import Vocabularies
from recsys_spark.manifest import Description, FitName, read_manifest
from recsys_spark.models.warm import Weights
from recsys_spark.settings import Settings
from recsys_spark.storage import Folder

STEADY_SPLITS = ("random", "held_out_users")
"""Strategies in which what a fit is given depends on keys and the seed alone, whatever rows there are beside: those of
the rows, or of their users (which of a held-out user's rows are the history may change: no fit is given any of them).
"""

_OF_TRAINING = ("objective", "target")
"""Settings of the training that say what the weights mean."""

Columns = Mapping[FitName, Mapping[str, list[str]]]
"""The names of the feature columns of each fit of a night, by side."""


@dataclass(frozen=True, eq=False)
class Start:
    """Where the fits of a night start.

    Args:
        model_id: whose weights; none: from fresh ones.
        weights: for each fit its first ones; empty: fresh ones.
        cold_because: why a model that is there was not taken.
    """

    model_id: str | None = None
    weights: Mapping[FitName, Weights] = field(default_factory=dict)
    cold_because: str | None = None


def start_from(
    models: Folder, model_id: str | None, settings: Settings, vocabularies: Vocabularies, columns: Columns
) -> Start:
    """A start from a stored model if it is honest and possible, else a cold one.

    Args:
        models: the folder of all artefacts.
        model_id: of the last published night; none: there is none.
        settings: of tonight.
        vocabularies: of tonight.
        columns: of the fits that will be run tonight.
    """
    if model_id is None:
        return Start()
    folder = str(models / model_id)
    try:
        reasons = list(_reasons(read_manifest(folder).description, settings, vocabularies, columns))
        if reasons:
            return Start(cold_because="; ".join(reasons))
        return Start(model_id, {fit: artifact.load_weights(folder, fit) for fit in columns})
    except ArtifactError as error:
        return Start(cold_because=error.message)


def _reasons(
    description: Description, settings: Settings, vocabularies: Vocabularies, columns: Columns
) -> Iterator[str]:
    """Why the fits must not, or cannot, start from this model."""
    if settings.split.strategy not in STEADY_SPLITS:
        yield f"split.strategy {settings.split.strategy} does not leave each row in its part"
    if description.settings.get("split") != settings.split.model_dump(mode="json"):
        yield "the split is another one"
    if description.settings.get("model") != settings.model.model_dump(mode="json"):
        yield "the model has other settings"
    training = settings.training.model_dump(mode="json")
    before: dict[str, Any] = description.settings.get("training", {})
    yield from (f"training.{name} is another one" for name in _OF_TRAINING if before.get(name) != training[name])
    for side, vocabulary in (("user", vocabularies.users), ("item", vocabularies.items)):
        known = description.vocabularies.get(side, {})
        if not vocabulary.begins_with(known.get("size", -1), known.get("digest", "")):
            yield f"its {side}s are not those that tonight's {side}s begin with"
    if missing := [fit for fit in columns if fit not in description.columns]:
        yield f"its weights were not stored ({', '.join(missing)}): training.warm_start was off"
    elif any(description.columns[fit] != columns[fit] for fit in columns):
        yield "the features have other columns"
