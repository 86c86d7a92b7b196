"""Explanations of artefacts as the job `train` leaves them, by the histories that they were fitted on."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recsys_spark import artifact, stages
from recsys_spark.errors import DataError
from recsys_spark.explaining.explain import explain
from recsys_spark.explaining.model import ExplainedModel
from recsys_spark.manifest import read_manifest
from tests.visible_nights import Nights

Ratings = dict[int, tuple[np.ndarray, np.ndarray]]

RANKING = ("training.objective=ranking", "training.relevant_at=2", "training.epochs=3")
MODELS = {
    "dot": ("model={name: dot, embedding_size: 4, biases: true, l2: 0.01}", "training.epochs=6", "training.clip=true"),
    "posterior_mf": (
        "model={name: posterior_mf, embedding_size: 4, columns: 6, burn_in: 2, samples: 4}",
        "training={epochs: 12, batch_size: 2000, loss: mse, target: centred}",
    ),
    "ials": ("model={name: ials, embedding_size: 4}", *RANKING),
    "joint": ("model={name: joint, embedding_size: 4, rating_size: 3}", *RANKING),
    "softmax": ("model={name: softmax, embedding_size: 4}", *RANKING),
    "mlp": ("model={name: mlp, embedding_size: 4, layers: [8]}",),
}


@pytest.fixture(scope="module")
def nights(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    return Nights(spark, tmp_path_factory.mktemp("explained") / "output", "parquet")


@pytest.fixture(scope="module")
def ratings(nights: Nights) -> Ratings:
    """Items and ratings of some users."""
    job = nights.job()
    stages.ingest(job)
    rows = job.ingested().read(nights.spark, "ratings").toArrow().to_pandas()
    rows = rows.sort_values(["user_index", "item_index"])
    users = {u: rows[rows.user_index == u] for u in (0, 7, 29)}
    return {u: (mine.item_index.to_numpy(), mine.rating.to_numpy(np.float32)) for u, mine in users.items()}


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest, nights: Nights, ratings: object) -> ExplainedModel:
    job = nights.job(*MODELS[request.param])
    stages.train(job)
    folder = nights.output / "models" / str(job.summary.model_id)
    return ExplainedModel.stored(read_manifest(folder).description, artifact.load(folder))


def known_items(model: ExplainedModel) -> list[int]:
    """Some items that the model has learnt something about."""
    return np.flatnonzero(model.known["item"])[[0, 40, -1]].tolist()


def test_parts_add_up(model: ExplainedModel, ratings: Ratings) -> None:
    for user, (items, given_ratings) in ratings.items():
        for item in known_items(model):
            found = explain(model, user, item, model.history(items, given_ratings))
            json.dumps(found.as_dict(), allow_nan=False)
            if not model.scorer.is_dot:
                assert found.parts is None
                assert {(a.side, a.columns) for a in found.ablations} == {
                    ("user", "embedding"),
                    ("item", "embedding"),
                }
                continue
            assert found.parts is not None
            assert found.parts.total == pytest.approx(found.score, abs=1e-5)
            assert len(found.nearest) == 5
            assert (found.history is None) == (model.name == "posterior_mf")


def test_shares_of_the_history_add_up_to_the_score_of_its_vector(model: ExplainedModel, ratings: Ratings) -> None:
    for user, (items, given_ratings) in ratings.items():
        history = model.history(items, given_ratings)
        for item in known_items(model):
            found = explain(model, user, item, history).history
            if found is None:
                assert model.name in ("posterior_mf", "mlp")
                continue
            assert len(found.shares) > 3
            assert {s.item for s in found.shares} <= set(items.tolist())
            assert found.kind == ("left_out" if model.name == "softmax" else "sum")
            if found.kind == "sum":
                total = found.base + sum(share.change for share in found.shares)
                assert total == pytest.approx(found.score, abs=1e-5)


def test_a_newcomer_is_explained_by_the_history_alone(model: ExplainedModel, ratings: Ratings) -> None:
    items, given_ratings = ratings[7]
    history = model.history(items, given_ratings)
    if model.fold is None:
        with pytest.raises(DataError, match=f"{model.name} makes no vectors"):
            explain(model, None, 3, history)
        return

    found = explain(model, None, 3, history)

    assert found.history is not None
    assert found.unclipped == found.history.score
    assert found.parts is not None
    assert found.parts.total == pytest.approx(found.score, abs=1e-5)
