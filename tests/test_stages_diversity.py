"""Nights whose lists trade scores for variety: as promised in the tables, with its price in the metrics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from recsys_spark import artifact, config, stages
from recsys_spark.errors import ConfigError
from recsys_spark.job import Job
from recsys_spark.kernels.diversity import Diversity, similarity
from recsys_spark.progress import Progress
from recsys_spark.publishing.summary import Summary
from recsys_spark.run import Run
from recsys_spark.settings import Settings
from recsys_spark.storage import Folder
from tests.conftest import PROJECT

N_USERS, N_ITEMS, TOP_N = 60, 40, 4
JobMaker = Callable[..., Job]


@pytest.fixture(scope="module")
def job(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> JobMaker:
    """Makes a job on ratings of four tastes; low items are rated more often."""
    folder = tmp_path_factory.mktemp("diverse")
    random = np.random.default_rng(0)
    lines = [
        f"{u},{i},{5 if u % 4 == i % 4 else int(random.integers(1, 5))}\n"
        for u in range(N_USERS)
        for i in range(N_ITEMS)
        if random.random() < 0.9 / (1 + i / 8)
    ]
    (folder / "ratings.csv").write_text("user,item,rating\n" + "".join(lines))

    def make(*overrides: str, output: str = "output") -> Job:
        given = [
            f"source.path={folder}/ratings.csv",
            "source.separator=,",
            "source.header=true",
            "source.columns={user: user, item: item, rating: rating, timestamp: null}",
            f"output.path={folder}/{output}",
            "output.format=parquet",
            "model={name: ials, embedding_size: 6}",
            "training={objective: ranking, relevant_at: 3, epochs: 10, learning_rate: 0.05, early_stopping: null}",
            "split.validation_fraction=0",
            "evaluation={relevant_at: 3, bootstrap: 0, k: [4]}",
            f"scoring.top_n={TOP_N}",
            *overrides,
        ]
        settings = config.load(Settings, [PROJECT / "conf" / "base.yaml"], given)
        return Job(spark, settings, Run.start(Folder(settings.output.path)), Summary(), Progress())

    return make


@pytest.fixture(scope="module")
def plain(job: JobMaker) -> Job:
    night = job(output="plain")
    stages.nightly(night)
    return night


def top_n(night: Job) -> pd.DataFrame:
    return pd.read_parquet(night.run.output.path / "current" / "top_n").sort_values(["user_id", "rank"])


def diversified(night: Job) -> dict[str, float]:
    found: dict[str, float] = night.summary.metrics["diversified"]
    return found


def similarity_of(night: Job, lists: pd.DataFrame) -> float:
    scorer = artifact.load(str(night.run.models / str(night.summary.model_id)))["main"]
    items = pd.read_parquet(night.run.output.path / "current" / "items").set_index("item_id").item_index
    rows = [items[own].to_numpy() for _, own in lists.groupby("user_id").item_id if len(own) == TOP_N]
    units = Diversity.of(scorer, pool=1, relevance=0.5).units
    return float(similarity(units, np.stack(rows).astype(np.int32), np.full(len(rows), TOP_N)).mean())


def test_lists_are_less_alike_within_and_their_price_is_told(job: JobMaker, plain: Job) -> None:
    night = job("scoring.diversity={pool: 20, relevance: 0.3}", output="mmr")
    stages.nightly(night)

    # the same model, so that the lists differ by the choice alone
    assert night.summary.model_id == plain.summary.model_id
    lists, before = top_n(night), top_n(plain)
    assert similarity_of(night, lists) < similarity_of(plain, before) - 0.05
    assert (lists.groupby("user_id").score.diff().dropna() <= 0).all()
    assert lists.groupby("user_id").score.mean().mean() < before.groupby("user_id").score.mean().mean()

    model, chosen = night.summary.metrics["test"], diversified(night)
    assert model["ndcg@4"] == plain.summary.metrics["test"]["ndcg@4"]
    assert chosen["similarity@4"] < model["similarity@4"]
    assert chosen["ndcg@4"] < model["ndcg@4"]
    # it is none of the baselines that the model must beat
    assert night.summary.metrics["test"]["ndcg_gain@4"] == plain.summary.metrics["test"]["ndcg_gain@4"]


def test_no_item_is_in_more_lists_than_its_share(job: JobMaker, plain: Job) -> None:
    night = job("scoring.diversity={pool: 40, max_share: 0.25}", output="caps")
    stages.nightly(night)

    lists, before = top_n(night), top_n(plain)
    n_lists = lists.user_id.nunique()
    most = int(0.25 * n_lists)
    assert before.item_id.value_counts().max() > most
    assert lists.item_id.value_counts().max() == most
    assert (lists.groupby("user_id").score.diff().dropna() <= 0).all()
    assert lists.groupby("user_id")["rank"].apply(lambda rank: rank.tolist() == list(range(1, len(rank) + 1))).all()
    short = (lists.groupby("user_id").size() < TOP_N).sum() + (N_USERS - n_lists)
    assert any("lists have fewer than 4 items" in warning for warning in night.run.warnings) == (short > 0)

    model, chosen = night.summary.metrics["test"], diversified(night)
    assert chosen["item_coverage@4"] >= model["item_coverage@4"]
    assert chosen["gini@4"] < model["gini@4"]
    assert chosen["ndcg@4"] != model["ndcg@4"]
    assert chosen["n_users"] == model["n_users"]
    assert not (night.folder("score") / "pools").exists()


def test_a_pool_of_the_lists_length_changes_nothing(job: JobMaker, plain: Job) -> None:
    night = job(f"scoring.diversity={{pool: {TOP_N}, relevance: 0.2, max_share: 1.0}}", output="nothing")
    stages.nightly(night)
    columns = ["user_id", "rank", "item_id", "score"]
    pd.testing.assert_frame_equal(
        top_n(night)[columns].reset_index(drop=True), top_n(plain)[columns].reset_index(drop=True)
    )


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (("scoring.diversity={pool: 3, relevance: 0.5}",), r"diversity.pool of at least top_n \(4\)"),
        (("scoring.diversity={pool: 30}",), "relevance, max_share or both"),
        (("scoring.diversity={max_share: 0.1}", "scoring.variants={some: item_id > 3}"), "no variants"),
        (("scoring.diversity={relevance: 0.5}", "scoring.mode=incremental", "training.use_model=latest"), "mode full"),
    ],
)
def test_what_does_not_go_together_is_refused(job: JobMaker, overrides: tuple[str, ...], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        job(*overrides)
