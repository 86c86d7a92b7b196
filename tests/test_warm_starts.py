"""Which stored models the fits of a night may start from, and why they start cold from others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys_spark.artifact import Artefact, save
from recsys_spark.ingest.encoding import Addition, Vocabularies, Vocabulary
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.manifest import Description, FitName
from recsys_spark.settings import Settings
from recsys_spark.storage import Folder
from recsys_spark.warm_starts import Start, start_from
from tests.jobs import settings_of

FITS: tuple[FitName, ...] = ("validated", "evaluated", "published")
COLUMNS: dict[FitName, dict[str, list[str]]] = {fit: {"item": ["year", "kind=TV"]} for fit in FITS}
WEIGHTS = {fit: {"user_bias.0": np.full((5, 1), number, np.float32)} for number, fit in enumerate(FITS, start=1)}


def vocabularies(*additions: str, items: tuple[str, ...] = ("i",)) -> Vocabularies:
    """Five users for each addition."""
    users = Vocabulary("long", tuple(Addition(name, 5, name) for name in additions))
    return Vocabularies(users, Vocabulary("long", tuple(Addition(name, 7, name) for name in items)))


def settings(*overrides: str) -> Settings:
    return settings_of("training.warm_start=true", *overrides)


def stored(models: Path, **changed: Any) -> str:
    """A model of a night with one addition of users; gives its id."""
    tonight, known = settings(), vocabularies("a")
    sections = {name: getattr(tonight, name).model_dump(mode="json") for name in ("model", "training", "split")}
    sides = (("user", known.users), ("item", known.items))
    description = Description(
        model="dot",
        settings=sections,
        vocabularies={side: {"size": v.size, "digest": v.digest} for side, v in sides},
        columns=COLUMNS,
    )
    scorer = PairScorer(np.ones((5, 2), np.float32), np.ones((7, 2), np.float32))
    artefact = Artefact(replace(description, **changed), {"published": {"main": scorer}}, weights=WEIGHTS)
    return save(models, artefact).name


def started(models: Path, model_id: str | None, *overrides: str, **changed: Any) -> Start:
    tonight = {"vocabularies": vocabularies("a"), "columns": COLUMNS, **changed}
    return start_from(Folder(str(models)), model_id, settings(*overrides), tonight["vocabularies"], tonight["columns"])


@pytest.mark.parametrize("grown", [("a",), ("a", "b"), ("a", "b", "c")])
def test_each_fit_starts_from_the_one_of_its_name_also_where_users_have_joined(
    tmp_path: Path, grown: tuple[str, ...]
) -> None:
    model_id = stored(tmp_path)
    start = started(tmp_path, model_id, vocabularies=vocabularies(*grown))
    assert (start.model_id, start.cold_because) == (model_id, None)
    assert {fit: float(weights["user_bias.0"][0, 0]) for fit, weights in start.weights.items()} == {
        "validated": 1,
        "evaluated": 2,
        "published": 3,
    }


def test_what_is_not_fitted_tonight_is_not_looked_for(tmp_path: Path) -> None:
    start = started(tmp_path, stored(tmp_path), columns={"evaluated": COLUMNS["evaluated"]})
    assert list(start.weights) == ["evaluated"]


def test_without_a_model_the_start_is_cold_and_nothing_is_amiss(tmp_path: Path) -> None:
    start = started(tmp_path, None)
    assert (start.model_id, start.weights, start.cold_because) == (None, {}, None)


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("split.seed=7", "the split is another one"),
        ("split.test_fraction=0.1", "the split is another one"),
        ("split.validation_fraction=0.2", "the split is another one"),
        ("model.embedding_size=3", "the model has other settings"),
        ("training.target=standardised", "training.target is another one"),
    ],
)
def test_what_has_changed_is_told_and_the_start_is_cold(tmp_path: Path, override: str, reason: str) -> None:
    start = started(tmp_path, stored(tmp_path), override)
    assert (start.model_id, start.weights, start.cold_because) == (None, {}, reason)


@pytest.mark.parametrize("changed", ["training.epochs=99", "training.learning_rate=0.5", "scoring.top_n=3"])
def test_what_does_not_change_the_meaning_of_weights_may_change(tmp_path: Path, changed: str) -> None:
    assert started(tmp_path, stored(tmp_path), changed).cold_because is None


@pytest.mark.parametrize(
    "known",
    [vocabularies("b", "a"), vocabularies("b"), vocabularies(), vocabularies("a", items=("j",))],
    ids=["another order", "others", "none", "other items"],
)
def test_other_ids_mean_other_rows(tmp_path: Path, known: Vocabularies) -> None:
    start = started(tmp_path, stored(tmp_path), vocabularies=known)
    assert start.model_id is None
    assert "are not those that tonight's" in (start.cold_because or "")


@pytest.mark.parametrize(
    ("strategy", "reason"),
    [
        ("temporal", "split.strategy temporal does not leave each row in its part"),
        ("random_per_user", "split.strategy random_per_user does not leave each row in its part"),
        # a user is held out for ever or never
        ("held_out_users", None),
    ],
)
def test_a_split_that_moves_rows_between_parts_starts_cold(tmp_path: Path, strategy: str, reason: str | None) -> None:
    # the same strategy on both nights: still a row of tonight's test part may have been a train row before
    tonight = settings()
    moving = tonight.split.model_copy(update={"strategy": strategy})
    sections = {"model": tonight.model, "training": tonight.training, "split": moving}
    model_id = stored(tmp_path, settings={name: s.model_dump(mode="json") for name, s in sections.items()})
    changed = tonight.model_copy(update={"split": moving})
    start = start_from(Folder(str(tmp_path)), model_id, changed, vocabularies("a"), COLUMNS)
    assert start.cold_because == reason


def test_features_of_other_columns_start_cold(tmp_path: Path) -> None:
    columns = {**COLUMNS, "evaluated": {"item": ["year", "kind=Film"]}}
    assert started(tmp_path, stored(tmp_path), columns=columns).cold_because == "the features have other columns"


def test_a_model_stored_without_weights_says_which_setting_was_off(tmp_path: Path) -> None:
    start = started(tmp_path, stored(tmp_path, columns={}))
    assert "training.warm_start was off" in (start.cold_because or "")


@pytest.mark.parametrize("harm", ["weights", "manifest", "folder"])
def test_a_damaged_or_missing_model_starts_cold(tmp_path: Path, harm: str) -> None:
    model_id = stored(tmp_path)
    folder = tmp_path / model_id
    if harm == "folder":
        folder.rename(tmp_path / "elsewhere")
    else:
        file = folder / ("manifest.json" if harm == "manifest" else "weights/evaluated.safetensors")
        file.write_bytes(file.read_bytes()[:-9])
    start = started(tmp_path, model_id)
    assert start.model_id is None
    assert model_id in (start.cold_because or "")
