"""Nights whose lists trade scores for variety: as promised in the tables, with its price in the metrics."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from recsys_spark import artifact
from recsys_spark.errors import ConfigError
from recsys_spark.job import Job
from recsys_spark.kernels.diversity import Diversity, similarity
from tests.jobs import JobMaker, csv_source, night_of, parquet_jobs, published, scored, staged

N_USERS, N_ITEMS, TOP_N = 60, 40, 4


@pytest.fixture(scope="module")
def job(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> JobMaker:
    """Makes a job on ratings of four tastes; low items are rated more often."""
    folder = tmp_path_factory.mktemp("diverse")
    random = np.random.default_rng(0)
    rows = [
        (u, i, 5 if u % 4 == i % 4 else int(random.integers(1, 5)))
        for u in range(N_USERS)
        for i in range(N_ITEMS)
        if random.random() < 0.9 / (1 + i / 8)
    ]
    return parquet_jobs(
        spark,
        folder,
        *csv_source(folder / "ratings.csv", ("user", "item", "rating"), rows),
        "model={name: ials, embedding_size: 6}",
        "training={objective: ranking, relevant_at: 3, epochs: 10, learning_rate: 0.05, early_stopping: null}",
        "split.validation_fraction=0",
        "evaluation={relevant_at: 3, bootstrap: 0, k: [4]}",
        f"scoring.top_n={TOP_N}",
    )


class Plain(NamedTuple):
    """A night whose lists follow the scores alone. The nights after it use its ingest and its model."""

    night: Job
    lists: pd.DataFrame
    staged: pd.DataFrame


@pytest.fixture(scope="module")
def plain(job: JobMaker) -> Plain:
    night = night_of(job())
    return Plain(night, top_n(night), staged(night))


def top_n(night: Job) -> pd.DataFrame:
    return published(night).sort_values(["user_id", "rank"])


def diversified(night: Job) -> dict[str, float]:
    found: dict[str, float] = night.summary.metrics["diversified"]
    return found


def similarity_of(night: Job, lists: pd.DataFrame) -> float:
    scorer = artifact.load(str(night.run.models / str(night.summary.model_id)))["main"]
    items = published(night, "items").set_index("item_id").item_index
    rows = [items[own].to_numpy() for _, own in lists.groupby("user_id").item_id if len(own) == TOP_N]
    units = Diversity.of(scorer, pool=1, relevance=0.5).units
    return float(similarity(units, np.stack(rows).astype(np.int32), np.full(len(rows), TOP_N)).mean())


def test_lists_are_less_alike_within_and_their_price_is_told(job: JobMaker, plain: Plain) -> None:
    night = night_of(job("scoring.diversity={pool: 20, relevance: 0.3}"))

    # the same model, so that the lists differ by the choice alone
    assert night.summary.model_id == plain.night.summary.model_id
    lists, before = top_n(night), plain.lists
    assert similarity_of(night, lists) < similarity_of(plain.night, before) - 0.05
    assert (lists.groupby("user_id").score.diff().dropna() <= 0).all()
    assert lists.groupby("user_id").score.mean().mean() < before.groupby("user_id").score.mean().mean()

    model, chosen = night.summary.metrics["test"], diversified(night)
    assert model["ndcg@4"] == plain.night.summary.metrics["test"]["ndcg@4"]
    assert chosen["similarity@4"] < model["similarity@4"]
    assert chosen["ndcg@4"] < model["ndcg@4"]
    # it is none of the baselines that the model must beat
    assert night.summary.metrics["test"]["ndcg_gain@4"] == plain.night.summary.metrics["test"]["ndcg_gain@4"]


def test_no_item_is_in_more_lists_than_its_share(job: JobMaker, plain: Plain) -> None:
    night = night_of(job("scoring.diversity={pool: 40, max_share: 0.25}"))

    lists, before = top_n(night), plain.lists
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


def test_a_pool_of_the_lists_length_changes_nothing(job: JobMaker, plain: Plain) -> None:
    night = scored(job(f"scoring.diversity={{pool: {TOP_N}, relevance: 0.2, max_share: 1.0}}"))

    columns = ["user_id", "item_ids", "scores"]
    pd.testing.assert_frame_equal(staged(night)[columns], plain.staged[columns])


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
