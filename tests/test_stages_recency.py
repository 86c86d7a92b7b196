"""Nights in which newer ratings count more: in the fit, in the vectors of users folded in, and in further figures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from recsys_spark import artifact
from recsys_spark.errors import ConfigError
from recsys_spark.job import Job
from tests.jobs import JobMaker, csv_source, night_of, parquet_jobs, scored, staged

N_USERS, N_ITEMS, HALF_LIFE = 40, 20, 30.0
LAST = datetime(2025, 6, 1, tzinfo=UTC)
IALS = (
    "model={name: ials, embedding_size: 4}",
    "training={objective: ranking, relevant_at: 4, epochs: 30, learning_rate: 0.05, early_stopping: null}",
)
Row = tuple[int, int, int, str]


def ratings() -> list[Row]:
    """What users liked a year ago and what they like now: items of the other half."""
    random, rows = np.random.default_rng(0), []
    for user in range(N_USERS):
        for item in range(N_ITEMS):
            if random.random() < 0.6:
                old = item < N_ITEMS // 2
                age = 360 + 5 * random.random() if old else 20 * random.random()
                rows.append((user, item, 5 if (user + item) % 2 == 0 else 2, f"{LAST - timedelta(days=age):%FT%TZ}"))
    rows.append((0, 1, 5, ""))
    return rows


@pytest.fixture(scope="module")
def job(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> JobMaker:
    """Makes a job on `ratings()`, or on the rows given."""
    folder = tmp_path_factory.mktemp("recency")
    common = (
        "split={strategy: random, validation_fraction: 0}",
        f"evaluation={{relevant_at: 4, bootstrap: 0, half_life_days: {HALF_LIFE}}}",
        "scoring.top_n=3",
    )
    usual = on_rows(folder / "ratings.csv", ratings())

    def make(*overrides: str, rows: list[Row] | None = None) -> Job:
        source = usual if rows is None else on_rows(folder / "others.csv", rows)
        return parquet_jobs(spark, folder, *source, *common)(*overrides)

    return make


def on_rows(file: Path, rows: list[Row]) -> tuple[str, ...]:
    return csv_source(file, ("user", "item", "rating", "timestamp"), rows)


def stored(night: Job) -> pd.DataFrame:
    return pd.read_parquet(night.folder("ingest").path / "ratings").sort_values(["user", "item"])


@pytest.fixture(scope="module")
def weighed(job: JobMaker) -> Job:
    return night_of(job(*IALS, f"training.half_life_days={HALF_LIFE}"))


def test_the_artefact_says_by_which_days_ratings_were_weighed(weighed: Job) -> None:
    target = artifact.read_manifest(str(weighed.run.models / str(weighed.summary.model_id))).description.target
    days = (stored(weighed).timestamp.dropna() - pd.Timestamp(0)).dt.total_seconds() / 86_400
    assert target["newest_day"] == pytest.approx(days.max(), abs=5e-3)
    assert target["oldest_day"] == pytest.approx(days.min(), abs=5e-3)
    assert 0.3 < target["mean_weight"] < 0.7


def test_lists_hold_what_is_liked_lately(job: JobMaker, weighed: Job) -> None:
    plain = scored(job(*IALS))

    def old_share(night: Job) -> float:
        return float((staged(night).item_ids.explode() < N_ITEMS // 2).mean())

    assert old_share(weighed) < old_share(plain) - 0.1


def test_only_who_changed_is_folded_in_and_as_the_fit_weighs_ratings(job: JobMaker, weighed: Job) -> None:
    fitted = artifact.load(str(weighed.run.models / str(weighed.summary.model_id)))["main"]
    # the same ratings, but user 3 gave all of them lately, and user 5 one of them
    rows = [(u, i, r, f"{LAST:%FT%TZ}" if u == 3 or (u == 5 and i == 1) else time) for u, i, r, time in ratings()] + [
        (5, 1, 5, f"{LAST:%FT%TZ}")
    ]
    use = f"training.use_model={weighed.summary.model_id}"
    again = scored(job(*IALS, f"training.half_life_days={HALF_LIFE}", use, rows=rows))

    assert again.summary.counts["users_folded_in"] == 2
    lists = staged(again)
    assert set(lists[lists.reason == "folded_in"].user_id) == {3, 5}
    assert fitted.n_users == N_USERS


def test_newer_ratings_count_more_in_figures_of_their_own(weighed: Job) -> None:
    rows, metrics = stored(weighed), weighed.summary.metrics
    assert metrics["test"]["ndcg_recent@10"] != metrics["test"]["ndcg@10"]
    # that the weights are those of the formula shows in the errors of the mean
    all_of_test = rows[rows.part == "test"]
    age = (all_of_test.timestamp.max() - all_of_test.timestamp).dt.total_seconds() / 86_400
    weight = 2.0 ** (-age / HALF_LIFE)
    mean = rows[rows.part != "test"].rating.mean()
    expected = float((weight * (all_of_test.rating - mean) ** 2).sum() / weight.sum())
    assert metrics["baseline"]["mean"]["mse_recent"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("section", ["training", "evaluation"])
def test_without_times_there_is_no_half_life(job: JobMaker, section: str) -> None:
    overrides = ("source.columns={user: user, item: item, rating: rating, timestamp: null}", "evaluation={k: [10]}")
    with pytest.raises(ConfigError, match=f"source.columns.timestamp for {section}.half_life_days"):
        job(*overrides, f"{section}.half_life_days=30")


def test_a_sampler_takes_no_weights(job: JobMaker) -> None:
    with pytest.raises(ConfigError, match="half_life_days null for posterior_mf"):
        job("model.name=posterior_mf", "training.epochs=300", "training.half_life_days=30")
