"""A new item without a rating is recommended to those whom its features suit; without features it is never ranked."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from recsys_spark.job import Job
from tests.jobs import JobMaker, checkerboard, parquet_jobs, scored, staged

N_USERS, N_RATED = 16, 24
EVEN_NEWCOMER, ODD_NEWCOMER, UNDESCRIBED = 100, 101, 102
"""Items without a rating; of the last one nothing is known."""

N_DESCRIBED = N_RATED + 2


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkerboard of likes, and an items' table that holds the parity of each item."""
    folder = tmp_path_factory.mktemp("features")
    (folder / "ratings.txt").write_text(checkerboard(N_USERS, N_RATED))
    described = [*range(N_RATED), EVEN_NEWCOMER, ODD_NEWCOMER]
    table = [f"{item},{'odd' if item % 2 else 'even'}\n" for item in described]
    (folder / "items.csv").write_text("id,parity\n" + "".join(table) + f"{UNDESCRIBED},\n")
    return folder


@pytest.fixture(scope="module")
def job(spark: SparkSession, sources: Path) -> JobMaker:
    return parquet_jobs(
        spark,
        sources,
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
    )


def lists(job: Job) -> dict[int, list[int]]:
    """The staged list of each user."""
    found = staged(job)
    return {user: list(ranked) for user, ranked in zip(found.user_id, found.item_ids, strict=True)}


def test_a_newcomer_with_features_is_ranked_by_them_and_one_without_any_is_not(job: JobMaker) -> None:
    done = scored(job("items.features={categorical: [parity]}"))

    assert done.summary.counts["pairs_scored"] == N_USERS * N_DESCRIBED
    for user, ranked in lists(done).items():
        liked, disliked = EVEN_NEWCOMER + user % 2, ODD_NEWCOMER - user % 2
        unseen_and_disliked = [item for item in ranked if item < N_RATED and item % 2 != user % 2]
        assert UNDESCRIBED not in ranked
        assert unseen_and_disliked
        assert all(ranked.index(liked) < ranked.index(item) for item in (disliked, *unseen_and_disliked))


def test_without_features_in_the_settings_no_newcomer_is_ranked(job: JobMaker) -> None:
    done = scored(job("training.epochs=1", output="without"))

    assert done.summary.counts["items"] == N_DESCRIBED + 1
    assert done.summary.counts["pairs_scored"] == N_USERS * N_RATED
    assert {item for ranked in lists(done).values() for item in ranked} == set(range(N_RATED))
