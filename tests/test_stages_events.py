"""Nights without ratings: events, each kind of its own weight, and lists of what users want next."""

from __future__ import annotations

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from recsys_spark import artifact
from recsys_spark.errors import ConfigError
from recsys_spark.fitting import take_into_use
from recsys_spark.job import Job
from tests.jobs import JobMaker, csv_source, night_of, parquet_jobs, published, scored, staged

N_USERS, N_ITEMS = 16, 14
RANKING = (
    "model={name: ials, embedding_size: 3}",
    "training.objective=ranking",
    "training.early_stopping=null",
    "training.epochs=40",
    "training.batch_size=8",
    "training.learning_rate=0.05",
)


@pytest.fixture(scope="module")
def job(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> JobMaker:
    """Makes a job on events of a checkerboard: even users look at even items, and buy a few of them."""
    folder = tmp_path_factory.mktemp("events")
    rows = [
        (user, item, kind)
        for user in range(N_USERS)
        for item in range(N_ITEMS)
        if user % 2 == item % 2 and (user + 2 * item) % 5
        for kind in (["view", "buy"] if (user + item) % 3 == 0 else ["view"])
    ]
    return parquet_jobs(
        spark,
        folder,
        *csv_source(folder / "events.csv", ("user", "item", "event"), [*rows, (3, 3, "glance")]),
        "quality.duplicates=sum",
        "split.test_fraction=0.2",
        "scoring.top_n=3",
        "evaluation.bootstrap=0",
        *RANKING,
    )


@pytest.fixture(scope="module")
def weighted(job: JobMaker) -> Job:
    return night_of(job("training.event_weights={view: 1, buy: 3}"))


def test_lists_hold_what_such_users_look_at_and_nothing_they_know(weighted: Job) -> None:
    lists = published(weighted, "top_n")
    known = {(u, i) for u in range(N_USERS) for i in range(N_ITEMS) if u % 2 == i % 2 and (u + 2 * i) % 5}
    assert not known & set(zip(lists.user_id, lists.item_id, strict=True))
    first = lists[lists["rank"] == 1]
    assert (first.user_id % 2 == first.item_id % 2).all()
    assert len(first) == N_USERS
    assert set(lists.reason) == {"model"}


def test_events_of_one_pair_are_one_like_of_their_summed_weight(weighted: Job) -> None:
    ratings = published(weighted, "ratings")
    assert set(ratings.rating) == {1.0, 4.0}
    assert not ratings.duplicated(["user_id", "item_id"]).any()
    counts, quarantine = weighted.summary.counts, published(weighted, "quarantine")
    assert counts["ratings_read"] == counts["ratings_accepted"] + counts["ratings_quarantined"]
    assert set(quarantine.reason) == {"duplicate", "event_unknown"}


def test_the_summary_says_what_the_lists_answer_and_how_well(weighted: Job) -> None:
    summary = weighted.summary
    assert summary.answers == "what users want next"
    assert summary.metrics["test"]["ndcg@10"] > summary.metrics["baseline"]["popularity"]["ndcg@10"]
    # scores are no ratings, so no error of theirs is told
    assert "mse" not in summary.metrics["test"]
    assert summary.audit["score_excess"] is None
    assert summary.audit["worse_than_baseline"] < 0
    assert not any("ranking:" in warning for warning in weighted.run.warnings)


def test_the_artefact_says_what_counted_as_a_like(weighted: Job) -> None:
    described = artifact.read_manifest(str(weighted.run.models / str(weighted.summary.model_id))).description
    assert described.target["liked_at"] == 0
    assert described.settings["training"]["event_weights"] == {"view": 1.0, "buy": 3.0}


def test_who_did_more_since_is_folded_in_by_the_weights_of_the_events(job: JobMaker, weighted: Job) -> None:
    again = scored(job("training.event_weights={view: 2, buy: 3}", "training.use_model=latest"))

    lists = staged(again)
    assert set(lists.reason) == {"folded_in"}
    assert again.summary.counts["users_folded_in"] == N_USERS
    before = published(weighted).groupby("user_id").item_id.agg(set)
    assert sum(len(before[user] & set(items)) for user, items in zip(lists.user_id, lists.item_ids, strict=True)) > (
        2 * N_USERS
    )


def test_without_weights_every_row_counts_the_same(job: JobMaker) -> None:
    plain = scored(job("source.columns.event=null", "quality.duplicates=latest", output="plain"))

    assert set(pd.read_parquet(plain.folder("ingest").path / "ratings").rating) == {1.0}
    lists = staged(plain)
    assert all(user % 2 == items[0] % 2 for user, items in zip(lists.user_id, lists.item_ids, strict=True))
    assert len(lists) == N_USERS


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        (("model.name=dot", "training.objective=rating"), "a column source.columns.rating for model.name dot"),
        (("model={name: joint}",), "a column source.columns.rating for model.name joint"),
        (("training.event_weights={view: 1}", "source.columns.event=null"), "source.columns.event"),
        (("training.event_weights={view: 0}",), "greater than 0"),
        (("training.objective=rating",), "training.objective ranking for model.name ials"),
        (("model={name: dot}",), "training.objective rating for model.name dot"),
        (("audit.metric=mse",), "audit.metric ndcg for ials"),
        (("tune.metric=mae",), "tune.metric ndcg for training.objective ranking"),
        (("model={name: blend}", "training.early_stopping=2"), "training.early_stopping null for a blend"),
        (("model={name: blend}", "training.warm_start=true"), "training.warm_start false for a blend"),
        (("items.path=x", "items.columns={item: a, b: b}", "items.features={numeric: [b]}"), "cannot use them"),
    ],
)
def test_what_does_not_fit_together_is_refused(job: JobMaker, overrides: tuple[str, ...], wanted: str) -> None:
    with pytest.raises(ConfigError, match=wanted):
        job(*overrides)


def test_a_model_in_use_must_answer_the_same_question(job: JobMaker, weighted: Job) -> None:
    other = job(
        "model.name=dot", "training.objective=rating", "source.columns.rating=event", "training.use_model=latest"
    )
    with pytest.raises(ConfigError, match=r"training\.objective: expected ranking, as of the model ials-"):
        take_into_use(other, None, other.in_use)  # type: ignore[arg-type]
