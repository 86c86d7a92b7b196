"""Models that a preset selects, through `spark-submit.sh nightly`: lists, deviations, features, levels."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.end_to_end.runs import PROJECT, Finished, assert_lists_follow_keras, published, submit

DATA = Path(os.environ.get("RECSYS_TEST_DATA", PROJECT.parent / "shared" / "data"))


def preset(name: str, *overrides: str) -> list[str]:
    """The options that select a preset."""
    return ["--config", str(PROJECT / f"conf/{name}.yaml"), *(x for text in overrides for x in ("--set", text))]


@pytest.fixture(scope="module")
def posterior(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("posterior")
    shorter = ("training.epochs=120", "model.burn_in=60", "model.samples=20", "model.score_std=true")
    return published(submit("nightly", *preset("posterior-mf", *shorter), cwd=folder, output=folder / "o"))


@pytest.mark.slow
def test_the_lists_of_a_posterior_mean_are_those_of_its_keras_network(posterior: Finished) -> None:
    assert posterior.summary["model_id"].startswith("posterior_mf-")
    assert_lists_follow_keras(posterior, users=10)


def test_each_score_of_a_posterior_mean_has_its_deviation(posterior: Finished) -> None:
    deviations = posterior.table("top_n").score_std
    assert deviations.notna().all()
    assert (deviations > 0).all()
    assert deviations.nunique() > 100


def test_samples_are_stored_with_what_is_published_and_nowhere_else(posterior: Finished) -> None:
    model = posterior.output / "models" / posterior.summary["model_id"]
    assert [file.parent.name for file in model.rglob("samples.safetensors")] == ["published"]


def test_the_posterior_mean_beats_the_baselines(posterior: Finished) -> None:
    metrics = posterior.summary["metrics"]
    assert metrics["test"]["mse"] < min(b["mse"] for b in metrics["baseline"].values() if "mse" in b)


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("joint")
    overrides = ("model.embedding_size=8", "training.batch_size=8", "training.epochs=20", "training.relevant_at=2")
    return published(submit("nightly", *preset("joint", *overrides), cwd=folder, output=folder / "o"))


@pytest.mark.slow
def test_a_joint_models_lists_and_predicted_ratings_are_those_of_its_keras_network(joint: Finished) -> None:
    assert joint.summary["model_id"].startswith("joint-")
    assert joint.summary["answers"] == "what users want next"
    assert_lists_follow_keras(joint, users=10)


def test_a_joint_model_is_measured_by_both_and_ranks_better_than_popularity(joint: Finished) -> None:
    test, popularity = joint.summary["metrics"]["test"], joint.summary["metrics"]["baseline"]["popularity"]
    assert test["ndcg@10"] > popularity["ndcg@10"]
    assert 0 < test["mse"] < 5


def test_the_second_output_is_a_scorer_of_its_own(joint: Finished) -> None:
    model = joint.output / "models" / joint.summary["model_id"]
    assert {"main.safetensors", "rating.safetensors"} <= {file.name for file in (model / "published").iterdir()}


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder, data = tmp_path_factory.mktemp("classifier"), DATA / "anime-5000-users"
    if not data.is_dir():
        pytest.skip(f"the anime ratings are not in {data} (RECSYS_TEST_DATA names the folder of the data sets)")
    overrides = (
        f"source.path={data / 'anime_ratings.dat.gz'}",
        "source.separator=\\t",
        "source.columns={user: User_ID, item: Anime_ID, rating: Feedback}",
        "source.where=try_cast(User_ID as bigint) < 2000",
        f"items.path={data / 'anime_info.dat.gz'}",
        "items.separator=\\t",
        "items.columns.item=anime_ids",
        "training.epochs=2",
        "training.batch_size=1024",
    )
    return published(submit("nightly", *preset("anime-classifier", *overrides), cwd=folder, output=folder / "o"))


@pytest.mark.data
def test_the_lists_of_a_classifier_with_features_are_those_of_its_keras_network(classifier: Finished) -> None:
    assert_lists_follow_keras(classifier, users=30)


@pytest.mark.data
def test_a_classifier_reports_how_often_the_most_likely_level_is_right(classifier: Finished) -> None:
    test = classifier.summary["metrics"]["test"]
    assert 0.15 < test["accuracy"] < 1
    assert 0 < test["mae_most_likely"] < 2


@pytest.mark.data
def test_the_manifest_tells_how_features_became_columns(classifier: Finished) -> None:
    model = classifier.output / "models" / classifier.summary["model_id"]
    description = json.loads((model / "manifest.json").read_text())["description"]
    assert set(description["features"]) == {"item"}
    assert "popularity" in json.dumps(description["features"]["item"])
