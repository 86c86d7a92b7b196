"""Nights with a stored model: no training, and only the lists that might have changed are made."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from recsys_spark import stages
from recsys_spark.errors import ConfigError, DataError
from recsys_spark.job import SCORED, Job
from tests.jobs import JobMaker, night_of, parquet_jobs, published, scored, staged, write_source

RESULT = ["user_id", "variant", "rank", "item_id", "score", "reason"]
KINDS = {i: "TV" if i % 2 else "Film" for i in range(12)}
STORED = "training.use_model=latest"
INCREMENTAL = (STORED, "scoring.mode=incremental")
Pairs = dict[tuple[int, int], int]


def checkerboard(users: int = 14, items: int = 12) -> Pairs:
    return {(u, i): 5 if u % 2 == i % 2 else 1 for u in range(users) for i in range(items) if (u + 2 * i) % 3}


@pytest.fixture(scope="module")
def night(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> JobMaker:
    """Makes a job on some ratings; each call is a new attempt for its own day, in one output unless told otherwise."""
    folder = tmp_path_factory.mktemp("incremental")
    days = iter(range(1, 28))

    def make(ratings: Pairs, *overrides: str, output: str = "output", day: int | None = None) -> Job:
        day = day or next(days)
        source, items, users = folder / f"{day}.txt", folder / f"items-{day}.csv", folder / f"users-{day}.csv"
        write_source(source, "".join(f"{u}::{i}::{r}::{100 + u}\n" for (u, i), r in ratings.items()))
        known = sorted({i for _, i in ratings} & set(KINDS))
        write_source(items, "id,kind\n" + "".join(f"{i},{KINDS[i]}\n" for i in known))
        raters = sorted({u for u, _ in ratings})
        write_source(users, "id,country\n" + "".join(f"{u},{'DE' if u % 3 else 'FR'}\n" for u in raters))
        common = (
            *(f"{table}.path={path}" for table, path in (("source", source), ("items", items), ("users", users))),
            "items.columns={item: id, kind: kind}",
            "users.columns={user: id, country: country}",
            "output.history=2",
            "scoring.top_n=4",
            "training.epochs=1",
            "training.batch_size=64",
            "training.refit=false",
            "split.validation_fraction=0",
            "split.test_fraction=0.1",
            "evaluation.bootstrap=0",
            "evaluation.k=[]",
        )
        return parquet_jobs(spark, folder, *common)(*overrides, output=output, as_of=date(2026, 3, day))

    return make


@pytest.fixture(scope="module")
def trained(night: JobMaker) -> Job:
    """The night whose model all the others use."""
    return night_of(night(checkerboard()))


def rows(job: Job) -> pd.DataFrame:
    return published(job)[RESULT].sort_values(["user_id", "variant", "rank"]).reset_index(drop=True)


def outcomes(job: Job) -> pd.DataFrame:
    table = pd.read_parquet(job.run.output.path / "user_outcomes" / f"run_id={job.run.run_id}")
    return table.drop(columns="as_of").sort_values("user_id").reset_index(drop=True)


def result_of(lists: pd.DataFrame) -> pd.DataFrame:
    """All that is published of lists, and what becomes of their users."""
    columns = ["user_id", "variant", "outcome", "reason", "item_ids", "scores"]
    return lists[columns].sort_values(["user_id", "variant"], ignore_index=True)


def visible_lists(job: Job) -> pd.DataFrame:
    """As they were staged for the run that readers see: an incremental night's own key names the run before it."""
    return pd.read_parquet(Path(job.run.state.read_json(SCORED)["score"]) / "lists")


def assert_as_in_full(night: JobMaker, ratings: Pairs, *overrides: str) -> Job:
    """An incremental night, compared with the lists that a full one of the same input and model would publish."""
    incremental = night_of(night(ratings, *INCREMENTAL, *overrides))
    full = scored(night(ratings, STORED, *overrides, day=incremental.run.as_of.day))
    expected = result_of(staged(full))
    pd.testing.assert_frame_equal(result_of(visible_lists(incremental)), expected)
    assert full.summary.counts["users_scored"] == incremental.summary.counts["users"] == expected.user_id.nunique()
    assert incremental.summary.counts["rows_published"] == expected.item_ids.map(len).sum() == len(rows(incremental))
    return incremental


def test_a_stored_model_gives_its_own_lists_and_metrics_without_training(night: JobMaker, trained: Job) -> None:
    lists = rows(trained)

    job = night_of(night(checkerboard(), STORED))

    pd.testing.assert_frame_equal(rows(job), lists)
    assert job.summary.model_id == trained.summary.model_id
    assert job.summary.metrics == trained.summary.metrics
    assert job.summary.seconds["train"] < 5


def test_who_came_after_the_model_is_folded_in_by_known_items_or_gets_the_fallback(
    night: JobMaker, trained: Job
) -> None:
    grown = checkerboard() | {(50, i): 4 for i in range(3)} | {(51, 900): 5, (0, 900): 5}
    job = night_of(night(grown, STORED))

    table, ends = rows(job), outcomes(job).set_index("user_id").reason
    reasons = table.groupby("user_id").reason.agg(set)
    assert reasons[50] == {"folded_in"}
    # nothing is known of the one item that 51 has rated
    assert reasons[51] == {"cold_fallback"}
    # 0 has rated what the model does not know
    assert reasons[0] == {"folded_in"}
    assert set().union(*reasons[1:14]) == {"model"}
    assert (ends[50], ends[51], ends[1]) == ("folded_in", "no_trained_vector", "model")
    assert job.summary.counts["users_folded_in"] == 2
    assert 900 not in set(table.item_id)


@pytest.mark.slow
def test_another_rating_of_the_same_item_gives_another_vector_and_a_list_of_its_own(
    night: JobMaker, trained: Job
) -> None:
    before = rows(night_of(night(checkerboard(), *INCREMENTAL)))
    ratings = checkerboard() | {(3, 2): 5}
    assert checkerboard()[3, 2] == 1

    job = assert_as_in_full(night, ratings)

    assert job.summary.counts["users_scored"] == job.summary.counts["users_folded_in"] == 1
    table = rows(job)
    assert set(table[table.user_id == 3].reason) == {"folded_in"}
    scores = table[table.user_id == 3].score
    assert not set(scores) & set(before[before.user_id == 3].score)
    assert_as_in_full(night, checkerboard())


@pytest.mark.slow
def test_only_who_might_have_another_list_is_scored(night: JobMaker, trained: Job) -> None:
    ratings = checkerboard()
    night_of(night(ratings, *INCREMENTAL))
    first = assert_as_in_full(night, ratings)
    assert first.summary.counts["users_scored"] == 0

    more = ratings | {(3, 0): 5, (40, 1): 2}
    second = assert_as_in_full(night, more)
    assert second.summary.counts["users_scored"] == 2
    assert second.summary.counts["pairs_scored"] == 2 * 12

    # whoever has item 7 in a list must get another entry; whoever has seen it has seen less
    gone = {pair: r for pair, r in more.items() if pair[1] != 7}
    third = assert_as_in_full(night, gone)
    assert 0 < third.summary.counts["users_scored"] <= 15
    assert third.summary.counts["items_gone"] == 1
    back = assert_as_in_full(night, more)
    assert back.summary.counts["users_scored"] == 15
    assert back.summary.counts["items_new"] == 1

    left = {pair: r for pair, r in more.items() if pair[0] != 5}
    fourth = assert_as_in_full(night, left)
    assert fourth.summary.counts["users_scored"] == 0
    assert 5 not in set(rows(fourth).user_id)
    assert fourth.summary.counts["users_gone"] == 1


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_whatever_changes_the_rows_are_those_of_a_full_night(night: JobMaker, trained: Job, seed: int) -> None:
    """Random nights: ratings come, go and change; users and items come and go; lists, segments and rules on top."""
    draw, ratings = random.Random(seed), checkerboard()
    rules = [
        "scoring.variants={tv: kind = 'TV'}",
        "users.segment=country",
        "scoring.segments={where: {DE: item_id <> 4}, others: all}",
        "scoring.min_score=1.5",
    ][: 1 + 3 * (seed % 2)]
    users_scored = []
    for _ in range(2):
        for _ in range(draw.randrange(4)):
            ratings[draw.randrange(18), draw.randrange(12)] = draw.randrange(1, 6)
        for pair in draw.sample(sorted(ratings), 2):
            del ratings[pair]
        if draw.random() < 0.5:
            gone = draw.randrange(12)
            ratings = {pair: r for pair, r in ratings.items() if pair[1] != gone}
        users_scored.append(assert_as_in_full(night, ratings, *rules).summary.counts["users_scored"])
    assert users_scored


def test_without_the_stages_of_the_visible_run_everybody_is_scored_and_told_so(night: JobMaker, trained: Job) -> None:
    night_of(night(checkerboard(), *INCREMENTAL))
    (trained.run.output / "_work").delete()

    job = assert_as_in_full(night, checkerboard() | {(3, 0): 5})

    assert "everybody is scored: the lists of run" in job.run.warnings[0]
    assert job.summary.counts["users_scored"] == 14


def test_a_model_that_is_too_old_or_does_not_exist_is_refused(night: JobMaker, trained: Job) -> None:
    with pytest.raises(ConfigError, match="no model at all"):
        stages.nightly(night(checkerboard(), STORED, output="elsewhere"))
    with pytest.raises(ConfigError, match="none of that name"):
        stages.nightly(night(checkerboard(), "training.use_model=dot-0123456789ab"))

    old = night(checkerboard(), STORED, "training.max_model_age=3", day=28)
    manifest = trained.run.models.path / str(trained.summary.model_id) / "manifest.json"
    made = datetime(2026, 3, 20, tzinfo=UTC).isoformat()
    text = manifest.read_text()
    manifest.write_text(
        text.replace(trained.run.models.read_json(f"{trained.summary.model_id}/manifest.json")["created_at"], made)
    )
    try:
        with pytest.raises(DataError, match=r"at most 3 days.*9\.0 days"):
            stages.nightly(old)
    finally:
        manifest.write_text(text)


def test_incremental_without_a_stored_model_is_no_configuration(night: JobMaker) -> None:
    with pytest.raises(ConfigError, match=r"training\.use_model"):
        night(checkerboard(), "scoring.mode=incremental")
