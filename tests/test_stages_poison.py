"""Whole nights over inputs at the edge: hostile ids, a single rating, ratings that tell nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from recsys_spark.job import Job
from tests import hostile
from tests.jobs import night_of, parquet_jobs

SETTINGS = (
    "source={format: parquet, columns: {user: user, item: item, rating: rating, timestamp: null}}",
    "training={epochs: 2, batch_size: 256, early_stopping: null}",
    "model.embedding_size=4",
)


def night(spark: SparkSession, folder: Path, columns: dict[str, list[Any]], *overrides: str) -> Job:
    """A whole night over ratings of these columns."""
    pq.write_table(pa.table(columns), folder / "ratings.parquet")
    job = night_of(parquet_jobs(spark, folder, *SETTINGS, f"source.path={folder}/ratings.parquet")(*overrides))
    assert job.summary.status == "published"
    return job


def read(job: Job, table: str) -> pd.DataFrame:
    place = Path(job.settings.output.path)
    linked = place / "current" / table
    return pq.read_table(linked if linked.exists() else place / table).to_pandas()


@pytest.mark.slow
def test_ids_that_mean_something_elsewhere_pass_through_to_the_letter(spark: SparkSession, tmp_path: Path) -> None:
    columns, ids = hostile.ratings(), set(hostile.IDS)
    pq.write_table(pa.table({"id": hostile.IDS, "name": hostile.IDS}), tmp_path / "items.parquet")
    barred = [(user, item) for user, item in zip(hostile.IDS, reversed(hostile.IDS), strict=True)]
    pq.write_table(pa.table({"u": [u for u, _ in barred], "i": [i for _, i in barred]}), tmp_path / "barred.parquet")

    done = night(
        spark,
        tmp_path,
        columns,
        f"items={{format: parquet, path: {tmp_path}/items.parquet, columns: {{item: id, title: name, same: name}}}}",
        f"scoring.exclude={{format: parquet, path: {tmp_path}/barred.parquet, columns: {{user: u, item: i}}}}",
        "scoring.top_n=5",
    )

    lists, items = read(done, "top_n"), read(done, "items")
    assert set(lists.user_id) == set(read(done, "users").user_id) == set(read(done, "user_outcomes").user_id) == ids
    assert set(items.item_id) == ids
    assert list(items.title) == list(items.item_id)
    assert [dict(attributes)["same"] for attributes in items.attributes] == list(items.item_id)
    assert len(read(done, "quarantine")) == 0
    rated = set(zip(columns["user"], columns["item"], strict=True))
    ratings = read(done, "ratings")
    assert set(zip(ratings.user_id, ratings.item_id, strict=True)) == rated
    given = set(zip(lists.user_id, lists.item_id, strict=True))
    assert not given & rated
    assert not given & set(barred)
    assert len(given) == len(lists) > len(ids)


def test_a_single_rating_makes_a_night_with_an_empty_list(spark: SparkSession, tmp_path: Path) -> None:
    # lists that are all empty do not replace others unless somebody says so
    rating = {"user": ["ann"], "item": ["red"], "rating": [4.0]}
    done = night(spark, tmp_path, rating, "audit.max_empty_share.error=null")

    outcomes = read(done, "user_outcomes")
    assert [tuple(row) for row in outcomes[["user_id", "outcome", "n_items", "reason"]].to_numpy()] == [
        ("ann", "ok", 0, "nothing_left")
    ]
    assert len(read(done, "top_n")) == 0
    assert len(read(done, "ratings")) == 1


def test_ratings_that_tell_nothing_are_scored_and_published_all_the_same(spark: SparkSession, tmp_path: Path) -> None:
    """All are equal, one user gave half of them and has seen every item, and most items have one rating."""
    items = [f"i{n}" for n in range(40)]
    columns = {
        "user": ["everything"] * 40 + [f"u{n % 8}" for n in range(40)],
        "item": items + [items[n] for n in range(40)],
        "rating": [3.0] * 80,
    }

    done = night(spark, tmp_path, columns, "training.target=standardised", "training.clip=true", "scoring.top_n=100")

    outcomes = read(done, "user_outcomes").set_index("user_id")
    assert tuple(outcomes.loc["everything", ["outcome", "n_items", "reason"]]) == ("ok", 0, "nothing_left")
    assert set(outcomes.outcome) == {"ok"}
    lists = read(done, "top_n")
    assert lists.groupby("user_id").size().to_dict() == {f"u{n}": 35 for n in range(8)}
    # vectors begin near zero, and nothing pulls them away
    assert lists.score.between(2.5, 3.5).all()
