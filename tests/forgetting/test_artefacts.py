"""Vectors are zero in every scorer, whatever its shape; all other numbers stay what they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recsys_spark.artifact import Artefact, load, load_weights, save
from recsys_spark.errors import ArtifactError
from recsys_spark.forgetting.artefacts import erase_vectors
from recsys_spark.kernels.arrays import F32
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.manifest import Description, read_manifest
from tests.contracts.kernel import random_scorer

GONE = np.array([False, True, False, False, True, True])
"""Of six users; the artefacts know five."""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    samples = random_scorer(3, "dot", 5, 6, 12)
    scorers = {
        "main": random_scorer(1, "levels", 5, 6, 3),
        "samples": replace(samples, user_bias=np.arange(1, 6, dtype=np.float32)),
        "popularity": PairScorer(
            np.empty((5, 0), np.float32),
            np.empty((6, 0), np.float32),
            user_bias=np.full(5, 3, np.float32),
            item_bias=np.arange(6, dtype=np.float32),
        ),
    }
    roles = {"published": scorers, "evaluated": {"main": random_scorer(2, "levels", 5, 6, 3)}}
    weights = {"validated": {"user_embedding.0": ones(5, 3), "item_embedding.0": ones(6, 3), "dense.0": ones(6, 1)}}
    description = Description(model="mlp", vocabularies={"user": {"size": 5}})
    return save(tmp_path / "models", Artefact(description, roles, weights=weights))


def ones(*shape: int) -> F32:
    return np.ones(shape, np.float32)


def test_vectors_and_biases_of_every_scorer_are_zero_and_all_else_is_as_it_was(model: Path) -> None:
    roles = ("published", "evaluated")
    before = {role: load(model, role) for role in roles}

    assert erase_vectors(str(model.parent), GONE) == 1

    for role in roles:
        for name, scorer in load(model, role).items():
            for tensor, values in before[role][name].tensors().items():
                expected = values.copy()
                if tensor in ("user", "user_bias"):
                    expected[[1, 4]] = 0
                np.testing.assert_array_equal(scorer.tensors()[tensor], expected)


def test_what_a_warm_start_would_take_has_zeros_too(model: Path) -> None:
    before = load_weights(model, "validated")

    erase_vectors(str(model.parent), GONE)

    after = load_weights(model, "validated")
    assert after["user_embedding.0"].any(axis=1).tolist() == [True, False, True, True, False]
    for name in ("item_embedding.0", "dense.0"):
        np.testing.assert_array_equal(after[name], before[name])


def test_the_artefact_keeps_name_age_and_description_and_says_how_many_are_gone(model: Path) -> None:
    before = read_manifest(model)

    erase_vectors(str(model.parent), GONE)

    after = read_manifest(model)
    assert after.vectors_erased == 2
    assert replace(after, vectors_erased=0, scorers=before.scorers, files=before.files) == before
    assert after.files != before.files


def test_nothing_is_written_where_nothing_is_to_be_erased(model: Path) -> None:
    erase_vectors(str(model.parent), GONE)
    before = {path: path.stat().st_ino for path in model.rglob("*")}

    assert erase_vectors(str(model.parent), GONE) == 0
    assert erase_vectors(str(model.parent / "none"), GONE) == 0
    assert {path: path.stat().st_ino for path in model.rglob("*")} == before


def test_a_damaged_artefact_stops_the_job(model: Path) -> None:
    file = model / "published" / "main.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")

    with pytest.raises(ArtifactError, match="sha256"):
        erase_vectors(str(model.parent), GONE)
