"""Users of whom no fit knows a thing but a history: they are folded in, and measured by the rest of their ratings."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from recsys_spark import artifact, stages
from recsys_spark.errors import ConfigError
from recsys_spark.job import Job
from recsys_spark.kernels.folding import least_squares_vectors
from tests.jobs import JobMaker, csv_source, night_of, parquet_jobs, published, scored, staged

N_USERS, N_ITEMS = 60, 20
IALS = ("model={name: ials, embedding_size: 4}", "training.objective=ranking", "training.batch_size=16")


@pytest.fixture(scope="module")
def job(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> JobMaker:
    """Makes a job on a checkerboard: even users rate even items high, and most odd ones low."""
    folder = tmp_path_factory.mktemp("held_out")
    random = np.random.default_rng(0)
    rows = [
        (user, item, 5 - 4 * ((user + item) % 2))
        for user in range(N_USERS)
        for item in range(N_ITEMS)
        if random.random() < 0.6
    ]
    return parquet_jobs(
        spark,
        folder,
        *csv_source(folder / "ratings.csv", ("user", "item", "rating"), rows),
        "split={strategy: held_out_users, test_fraction: 0.3, validation_fraction: 0.2}",
        "training.relevant_at=4",
        "evaluation.relevant_at=4",
        "training.epochs=20",
        "training.learning_rate=0.05",
        "training.early_stopping=5",
        "scoring.top_n=3",
        "evaluation.bootstrap=0",
    )


def ratings_of(job: Job) -> pd.DataFrame:
    return pd.read_parquet(job.folder("ingest").path / "ratings").sort_values(["user", "item"])


@pytest.fixture(scope="module")
def ials(job: JobMaker) -> Job:
    return night_of(job(*IALS))


def assert_ranks_well(job: Job) -> None:
    """The figures of users whom the fit has not met."""
    metrics, counts = job.summary.metrics, job.summary.counts
    assert counts["test_cold_users"] == 0
    # what is liked and not rated stands in the best lists, too, so that no figure is near 1
    assert metrics["validation"]["ndcg@10"] > 0.5
    assert metrics["test"]["ndcg@10"] > metrics["baseline"]["popularity"]["ndcg@10"] + 0.05
    rows = ratings_of(job)
    # among candidates that they like and have not told of
    asked = rows[(rows.part == "test") & (rows.rating >= 4)].user.nunique()
    assert metrics["test"]["n_users"] == asked


def test_held_out_users_rank_as_if_they_had_been_fitted_and_the_published_fit_knows_everybody(ials: Job) -> None:
    assert_ranks_well(ials)
    assert set(published(ials).reason) == {"model"}


@pytest.mark.parametrize("model", [pytest.param("joint", marks=pytest.mark.slow), "softmax"])
def test_so_do_those_of_other_models(job: JobMaker, ials: Job, model: str) -> None:
    # the ingest is that of the night before
    other = scored(job(*IALS, f"model.name={model}"))
    stages.evaluate(other)

    assert_ranks_well(other)
    assert set(staged(other).reason) == {"model"}


def test_the_evaluated_vectors_are_made_of_the_histories_alone(ials: Job) -> None:
    stored = artifact.load(str(ials.run.models / str(ials.summary.model_id)), "evaluated")
    rows = ratings_of(ials)
    for scorer, kept, history in (
        ("main", ["train", "validation", "validation_history"], "test_history"),
        ("validated", ["train"], "validation_history"),
    ):
        of_history = rows[rows.part == history]
        liked = of_history[of_history.rating >= 4]
        assert not set(of_history.user) & set(rows[rows.part.isin(kept)].user)
        for user, mine in liked.groupby("user"):
            expected = least_squares_vectors(
                stored[scorer].item,
                np.array([0, len(mine)]),
                mine.item.to_numpy(np.int32),
                np.ones(len(mine), np.float32),
                unobserved_weight=0.1,
                l2=0.01,
                l2_exponent=1.0,
            )
            np.testing.assert_array_equal(stored[scorer].user[user], expected[0])


def test_a_model_of_ratings_predicts_those_of_users_it_has_not_met(job: JobMaker) -> None:
    night = job(
        "model={name: dot, embedding_size: 4, l2: 0.01}", "split.validation_fraction=0", "training.epochs=80",
        "training.early_stopping=null", "training.batch_size=32", output="dot",
    )  # fmt: skip
    for stage in (stages.ingest, stages.train, stages.evaluate):
        stage(night)
    metrics = night.summary.metrics
    assert metrics["test"]["mse"] < 0.5 * metrics["baseline"]["bias"]["mse"]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (("model.name=bpr", "training.objective=ranking"), "a model that folds users in"),
        (("model.name=mlp",), "a model that folds users in"),
        (("model.name=dot",), "split.validation_fraction 0"),
    ],
)
def test_what_cannot_be_measured_so_is_refused(job: JobMaker, overrides: tuple[str, ...], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        job(*overrides)
