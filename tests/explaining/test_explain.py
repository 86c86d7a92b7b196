"""Parts of a score add up to it, for scorers of any numbers and for models of a real night."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from recsys_spark import artifact, stages
from recsys_spark.errors import DataError
from recsys_spark.explaining.explain import explain
from recsys_spark.explaining.model import ExplainedModel
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.manifest import read_manifest
from tests.visible_nights import Nights

EPS = float(np.finfo(np.float32).eps)
RANKING = ("training.objective=ranking", "training.relevant_at=4", "training.epochs=3")
MODELS = {
    "dot": ("model={name: dot, embedding_size: 4, biases: true, l2: 0.01}", "training.epochs=6", "training.clip=true"),
    "posterior_mf": (
        "model={name: posterior_mf, embedding_size: 4, columns: 6, burn_in: 2}",
        "training={epochs: 8, early_stopping: null}",
    ),
    "ials": ("model={name: ials, embedding_size: 4}", *RANKING),
    "joint": ("model={name: joint, embedding_size: 4, rating_size: 3}", *RANKING),
    "softmax": ("model={name: softmax, embedding_size: 4}", *RANKING),
    "mlp": ("model={name: mlp, embedding_size: 4, layers: [8]}",),
}


def random_dot(seed: int, *, biases: tuple[bool, bool], clip: bool) -> PairScorer:
    random = np.random.default_rng(seed)

    def table(*shape: int) -> np.ndarray:
        return (random.normal(size=shape) * 10.0 ** random.integers(-2, 3)).astype(np.float32)

    return PairScorer(
        table(5, 6),
        table(7, 6),
        table(5) if biases[0] else None,
        table(7) if biases[1] else None,
        scale=float(random.uniform(0.1, 3)),
        offset=float(random.normal()),
        clip=(-1.0, 1.0) if clip else None,
    )


@given(seed=st.integers(0, 2**32 - 1), biases=st.tuples(st.booleans(), st.booleans()), clip=st.booleans())
def test_parts_of_a_dot_product_add_up_to_its_score(seed: int, biases: tuple[bool, bool], clip: bool) -> None:
    scorer = random_dot(seed, biases=biases, clip=clip)
    user, item = seed % 5, seed % 7

    found = explain(ExplainedModel(scorer), user, item)

    pair = np.array([user], np.int32), np.array([item], np.int32)
    assert found.unclipped == scorer.score(*pair)[0]
    assert found.score == scorer.published(scorer.score(*pair))[0]
    parts = found.parts
    assert parts is not None
    # float32 rounds at each of its steps, by the size of what it adds up
    terms = np.abs(scorer.user[user] * scorer.item[item]).sum() * scorer.scale
    size = terms + abs(parts.offset) + abs(parts.user_effect) + abs(parts.item_effect)
    assert abs(parts.total - found.score) <= 12 * EPS * size
    assert (parts.user_effect == 0) == (not biases[0])
    assert (parts.item_effect == 0) == (not biases[1])
    assert clip or parts.clipping == 0


def test_each_part_is_what_the_score_loses_without_it() -> None:
    scorer = random_dot(11, biases=(True, True), clip=False)
    parts = explain(ExplainedModel(scorer), 2, 3).parts
    assert parts is not None
    assert scorer.user_bias is not None
    assert scorer.item_bias is not None
    nobody = replace(scorer, user_bias=np.zeros_like(scorer.user_bias))
    nothing = replace(scorer, item_bias=np.zeros_like(scorer.item_bias))
    apart = replace(scorer, item=np.zeros_like(scorer.item))

    score = explain(ExplainedModel(scorer), 2, 3).score
    for part, without in ((parts.user_effect, nobody), (parts.item_effect, nothing), (parts.interaction, apart)):
        assert part == pytest.approx(score - explain(ExplainedModel(without), 2, 3).score, rel=1e-4, abs=1e-3)


def test_clipping_is_told_as_a_part() -> None:
    scorer = PairScorer(np.ones((1, 1), np.float32), np.ones((1, 1), np.float32), offset=4.5, clip=(1.0, 5.0))

    found = explain(ExplainedModel(scorer), 0, 0)

    assert found.parts is not None
    assert (found.score, found.unclipped, found.parts.clipping, found.parts.total) == (5.0, 5.5, -0.5, 5.0)


class TestOfARealNight:
    """Artefacts as the job `train` leaves them, and the histories that they were fitted on."""

    @pytest.fixture(scope="class")
    def nights(self, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Nights:
        return Nights(spark, tmp_path_factory.mktemp("explained") / "output", "parquet")

    @pytest.fixture(scope="class")
    def ratings(self, nights: Nights) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """Items and ratings of some users."""
        job = nights.job()
        stages.ingest(job)
        rows = job.ingested().read(nights.spark, "ratings").toArrow().to_pandas()
        rows = rows.sort_values(["user_index", "item_index"])
        users = {u: rows[rows.user_index == u] for u in (0, 7, 29)}
        return {u: (mine.item_index.to_numpy(), mine.rating.to_numpy(np.float32)) for u, mine in users.items()}

    @pytest.fixture(scope="class", params=MODELS)
    def model(self, request: pytest.FixtureRequest, nights: Nights, ratings: object) -> ExplainedModel:
        job = nights.job(*MODELS[request.param])
        stages.train(job)
        folder = Path(nights.output) / "models" / str(job.summary.model_id)
        return ExplainedModel.stored(read_manifest(folder).description, artifact.load(folder))

    def test_parts_add_up(self, model: ExplainedModel, ratings: dict[int, tuple[np.ndarray, np.ndarray]]) -> None:
        for user, (items, given_ratings) in ratings.items():
            for item in (0, 41, 99):
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

    def test_shares_of_the_history_add_up_to_the_score_of_its_vector(
        self, model: ExplainedModel, ratings: dict[int, tuple[np.ndarray, np.ndarray]]
    ) -> None:
        for user, (items, given_ratings) in ratings.items():
            history = model.history(items, given_ratings)
            for item in (0, 41, 99):
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

    def test_a_newcomer_is_explained_by_the_history_alone(
        self, model: ExplainedModel, ratings: dict[int, tuple[np.ndarray, np.ndarray]]
    ) -> None:
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


@pytest.mark.parametrize(("user", "item", "subject"), [(5, 0, "user"), (-1, 0, "user"), (0, 7, "item")])
def test_an_index_out_of_range_is_told(user: int, item: int, subject: str) -> None:
    with pytest.raises(DataError, match=f"{subject}: expected indices from 0"):
        explain(ExplainedModel(random_dot(1, biases=(True, True), clip=False)), user, item)


def test_somebody_unknown_without_a_history_is_told() -> None:
    with pytest.raises(DataError, match="a history of which it makes a vector"):
        explain(ExplainedModel(random_dot(1, biases=(True, True), clip=False)), None, 0)
