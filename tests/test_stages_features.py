"""A new item without a rating is recommended to those whom its features suit; without features it is never ranked."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from recsys_spark import config, stages
from recsys_spark.job import Job
from recsys_spark.progress import Progress
from recsys_spark.publishing.summary import Summary
from recsys_spark.run import Run
from recsys_spark.settings import Settings
from recsys_spark.storage import Folder
from tests.conftest import PROJECT

N_USERS, N_RATED = 16, 24
EVEN_NEWCOMER, ODD_NEWCOMER, UNDESCRIBED = 100, 101, 102
"""Items without a rating; of the last one nothing is known."""

N_DESCRIBED = N_RATED + 2


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkerboard of likes, and an items' table that holds the parity of each item."""
    folder = tmp_path_factory.mktemp("features")
    pairs = [(user, item) for user in range(N_USERS) for item in range(N_RATED) if (user + 2 * item) % 3]
    lines = [f"{user}::{item}::{5 if user % 2 == item % 2 else 1}::7\n" for user, item in pairs]
    (folder / "ratings.txt").write_text("".join(lines))
    described = [*range(N_RATED), EVEN_NEWCOMER, ODD_NEWCOMER]
    table = [f"{item},{'odd' if item % 2 else 'even'}\n" for item in described]
    (folder / "items.csv").write_text("id,parity\n" + "".join(table) + f"{UNDESCRIBED},\n")
    return folder


def scored(spark: SparkSession, sources: Path, *overrides: str) -> tuple[Job, dict[int, list[int]]]:
    """A job after ingest, training and scoring, and the list of each user."""
    common = [
        f"source.path={sources}/ratings.txt",
        f"items.path={sources}/items.csv",
        "items.columns={item: id, parity: parity}",
        "model.embedding_size=4",
        "model.l2=0.01",
        "training.epochs=15",
        "evaluation.k=[]",
        "training.batch_size=32",
        "training.learning_rate=0.03",
        "split={test_fraction: 0, validation_fraction: 0}",  # one fit
        "scoring.top_n=30",
    ]
    settings = config.load(Settings, [PROJECT / "conf" / "base.yaml"], [*common, *overrides])
    job = Job(spark, settings, Run.start(Folder(settings.output.path)), Summary(), Progress())
    for stage in (stages.ingest, stages.train, stages.score):
        stage(job)
    (lists,) = Path(settings.output.path, "_work").glob("score-*/lists")
    found = pd.read_parquet(lists)
    return job, {user: list(ranked) for user, ranked in zip(found["user_id"], found["item_ids"], strict=True)}


def test_a_newcomer_with_features_is_ranked_by_them_and_one_without_any_is_not(
    spark: SparkSession, sources: Path, tmp_path: Path
) -> None:
    features = "items.features={categorical: [parity]}"
    job, lists = scored(spark, sources, features, f"output.path={tmp_path}")

    assert job.summary.counts["pairs_scored"] == N_USERS * N_DESCRIBED
    for user, ranked in lists.items():
        liked, disliked = EVEN_NEWCOMER + user % 2, ODD_NEWCOMER - user % 2
        unseen_and_disliked = [item for item in ranked if item < N_RATED and item % 2 != user % 2]
        assert UNDESCRIBED not in ranked
        assert unseen_and_disliked
        assert all(ranked.index(liked) < ranked.index(item) for item in (disliked, *unseen_and_disliked))


def test_without_features_in_the_settings_no_newcomer_is_ranked(
    spark: SparkSession, sources: Path, tmp_path: Path
) -> None:
    job, lists = scored(spark, sources, f"output.path={tmp_path}", "training.epochs=1")

    assert job.summary.counts["items"] == N_DESCRIBED + 1
    assert job.summary.counts["pairs_scored"] == N_USERS * N_RATED
    assert {item for ranked in lists.values() for item in ranked} == set(range(N_RATED))
