"""Which items a user may get: seen rows that count, pairs that are barred, and items that are allowed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from recsys_spark import planning, stages
from recsys_spark.bookkeeping import open_books
from recsys_spark.errors import AuditError, ConfigError, DataError
from recsys_spark.ingest.exclusions import ExclusionCounts
from recsys_spark.job import Job
from tests.jobs import JobMaker, parquet_jobs, published, scored, staged

N_USERS, N_ITEMS = 6, 12
AS_OF = date(2024, 3, 1)

BOUGHT_BEFORE = (2, 8)
"""A user and an item whose newest row, which is accepted, is a view; the one before is quarantined as a duplicate."""

SETTINGS = (
    "source={separator: ',', header: true}",
    "source.columns={user: user, item: item, rating: stars, timestamp: time, event: event}",
    "items.columns={item: id, title: name, year: year, kind: kind}",
    "users={columns: {user: id, country: country}, segment: country}",
    "training.epochs=1",
    "evaluation.k=[]",
    "split={test_fraction: 0, validation_fraction: 0}",
    f"scoring.top_n={N_ITEMS}",
)


@pytest.fixture(scope="module")
def job(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> JobMaker:
    """Makes a job on ratings in which every user knows every second item; each call is a new attempt.

    Items below 6 were bought, the others viewed; items 0 and 1, 6 and 7 are from last year, the others from `AS_OF`.
    `BOUGHT_BEFORE` has a second row. The items' table knows those below 9, and of the first one no year. User 5 has no
    country. All jobs have one output, so that those of the same inputs have one ingest and one model.
    """
    folder = tmp_path_factory.mktemp("lists")
    rows = [
        f"{user},{item},{1 + (user + item) % 5},{'2023-01-01' if item % 6 < 2 else AS_OF},{kind(item)}\n"
        for user in range(N_USERS)
        for item in range(N_ITEMS)
        if knows(user, item)
    ]
    rows.append("{},{},1,2024-02-29,buy\n".format(*BOUGHT_BEFORE))
    (folder / "ratings.csv").write_text("user,item,stars,time,event\n" + "".join(rows))
    items = [f"{item},Item {item},{1990 + item if item else 'unknown'},{kind(item)}\n" for item in range(9)]
    (folder / "items.csv").write_text("id,name,year,kind\n" + "".join(items))
    (folder / "users.csv").write_text("id,country\n0,SE\n1,SE\n2,FI\n3,FI\n4,XX\n5,\n")
    names = {"source": "ratings", "items": "items", "users": "users"}
    make = parquet_jobs(spark, folder, *(f"{of}.path={folder}/{name}.csv" for of, name in names.items()), *SETTINGS)
    return partial(make, as_of=AS_OF)


def knows(user: int, item: int) -> bool:
    return (user + item) % 2 == 0


def kind(item: int) -> str:
    return "buy" if item < 6 else "view"


def lists(job: Job) -> dict[int, set[int]]:
    """The items in each user's list, as it is staged."""
    rows = staged(job)
    return {user: set(items) for user, items in zip(rows.user_id, rows.item_ids, strict=True)}


def everything_but(left_out: Callable[[int, int], bool]) -> dict[int, set[int]]:
    """For every user all items but those left out."""
    return {user: {item for item in range(N_ITEMS) if not left_out(user, item)} for user in range(N_USERS)}


def visible(job: Job) -> Job:
    """The job, after it has also audited and published its lists; nothing is evaluated."""
    scored(job)
    stages.publish(job, open_books(job))
    return job


def test_what_was_bought_lately_is_left_out_and_what_was_viewed_or_bought_long_ago_is_not(job: JobMaker) -> None:
    filtered = visible(job("scoring.exclude_seen={within_days: 30, events: [buy]}", output="alone"))

    bought_lately = everything_but(lambda user, item: knows(user, item) and item in (2, 3, 4, 5))
    user, item = BOUGHT_BEFORE
    assert lists(filtered) == bought_lately | {user: bought_lately[user] - {item}}
    assert filtered.summary.counts["ratings_quarantined"] == 1
    assert filtered.run.warnings == []
    items = published(filtered, "items").set_index("item_id")
    assert set(items.n_ratings) == {N_USERS // 2}  # the filter is about lists and nothing else


def test_the_business_date_decides_which_rows_are_recent(job: JobMaker) -> None:
    later = job("scoring.exclude_seen={within_days: 30}", as_of=date(2024, 3, 31))

    stages.ingest(later)

    seen = later.spark.read.parquet(str(later.folder("ingest") / "seen")).collect()
    assert [row["seen"] for row in seen] == [[]] * N_USERS
    assert "no seen row counts" in later.run.warnings[0]


def test_only_a_period_makes_the_business_date_an_input_of_the_ingest(job: JobMaker) -> None:
    def folders(override: str) -> set[str]:
        return {str(job(override, as_of=date(2024, 3, day)).folder("ingest")) for day in (1, 2)}

    assert len(folders("scoring.exclude_seen={within_days: 30}")) == 2
    assert len(folders("scoring.exclude_seen={events: [buy]}")) == 1
    assert folders("scoring.exclude_seen=true") == folders("scoring.exclude_seen=false")
    assert folders("scoring.exclude_seen=true") != folders("scoring.exclude_seen={events: [buy]}")


def test_what_is_left_out_of_lists_is_no_input_of_the_training(job: JobMaker) -> None:
    jobs = [job(), job("scoring.exclude_seen={within_days: 30}"), job("scoring.items_allowed=n_ratings > 3")]

    assert len({str(each.folder("train")) for each in jobs}) == 1


def test_a_barred_pair_is_in_no_list_until_its_last_day_is_over(job: JobMaker, tmp_path: Path) -> None:
    exclusions = tmp_path / "exclusions.csv"
    rows = ["0,1,", "0,3,2024-03-01", "0,5,2024-02-29", "1,0,2024-03-01T23:59:59Z", "1,2,2024-03-02 00:00", "2,0,"]
    exclusions.write_text("user,item,until\n" + "\n".join([*rows, "99,1,", "1,99,", "x,1,"]) + "\n")
    table = f"scoring.exclude={{path: {exclusions}, columns: {{user: user, item: item, until: until}}}}"
    barred = {(0, 1), (0, 3), (1, 2), (2, 0)}

    first = visible(job(table))
    assert lists(first) == everything_but(lambda u, i: knows(u, i) or (u, i) in {*barred, BOUGHT_BEFORE})

    # the model is that of the first night; only what is left out differs
    everything_else = scored(job(table, "scoring.exclude_seen=false"))
    assert lists(everything_else) == everything_but(lambda u, i: (u, i) in barred)

    a_day_later = scored(job(table, "scoring.exclude_seen=false", as_of=date(2024, 3, 2)))
    assert lists(a_day_later) == everything_but(lambda u, i: (u, i) in barred - {(0, 3), (1, 2)})


def test_a_scoring_that_forgets_what_is_barred_is_not_published(
    job: JobMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "exclusions.csv").write_text("user_id,item_id\n0,1\n")
    forgetful = job(f"scoring.exclude.path={tmp_path}/exclusions.csv")
    monkeypatch.setattr(planning, "with_barred", lambda users, **_: users)

    with pytest.raises(AuditError, match="nothing_barred"):
        visible(forgetful)


@pytest.mark.parametrize(
    ("counts", "warned"),
    [
        (ExclusionCounts(read=3, over=0, unknown=3), True),
        (ExclusionCounts(read=3, over=0, unknown=2), False),
        (ExclusionCounts(read=3, over=3, unknown=0), False),
        (ExclusionCounts(read=0, over=0, unknown=0), False),
    ],
)
def test_a_table_of_which_nobody_is_known_gets_a_warning(job: JobMaker, counts: ExclusionCounts, warned: bool) -> None:
    told = job()

    stages._tell_exclusions(told, counts)

    assert [f"bars nothing ({counts})" in text for text in told.run.warnings] == [True] * warned


def test_another_exclusion_is_another_input_of_the_night(job: JobMaker, tmp_path: Path) -> None:
    exclusions = tmp_path / "exclusions.csv"
    prints = []
    for text in ("user_id,item_id\n0,1\n", "user_id,item_id\n0,1\n0,10\n"):
        exclusions.write_text(text)
        prints.append(job(f"scoring.exclude.path={exclusions}").fingerprint)

    assert len({*prints, job().fingerprint}) == 3


def test_only_allowed_items_are_in_a_list_and_all_are_trained_on(job: JobMaker) -> None:
    condition = "scoring.items_allowed=try_cast(year AS int) >= 1995 AND title <> 'Item 7' AND n_ratings > 0"

    allowed = visible(job(condition, "scoring.exclude_seen=false"))

    assert lists(allowed) == everything_but(lambda _, item: item not in (5, 6, 8))
    assert allowed.summary.counts["pairs_scored"] == N_USERS * 3
    ratings = published(allowed, "ratings")
    assert set(ratings.item_id) == set(range(N_ITEMS))


def test_a_condition_that_cannot_be_right_is_told_at_ingest(job: JobMaker) -> None:
    with pytest.raises(ConfigError, match="yaer") as raised:
        stages.ingest(job("scoring.items_allowed=yaer > 1995"))

    assert raised.value.subject == "scoring.items_allowed"


def test_each_variant_is_a_list_of_the_items_for_which_its_condition_holds(job: JobMaker) -> None:
    done = visible(job("scoring.variants={bought: kind = 'buy', popular: n_ratings > 1, five: item_id = '5'}"))

    rows = published(done)
    unseen = everything_but(knows)
    for user in range(N_USERS):
        own = rows[rows.user_id == user]
        assert set(own[own.variant.isna()].item_id) == unseen[user]
        assert set(own[own.variant == "bought"].item_id) == {item for item in unseen[user] if item < 6}
        assert set(own[own.variant == "popular"].item_id) == unseen[user]
        assert set(own[own.variant == "five"].item_id) == unseen[user] & {5}
        scores = [own[own.variant == "popular"].score.tolist(), own[own.variant.isna()].score.tolist()]
        assert scores[0] == scores[1]
    outcomes = outcomes_of(done)
    assert sorted(outcomes.user_id) == list(range(N_USERS))
    assert done.summary.counts["ok"] == N_USERS
    assert done.summary.counts["pairs_scored"] == N_USERS * N_ITEMS


def outcomes_of(job: Job) -> pd.DataFrame:
    return pd.read_parquet(job.run.output.path / "user_outcomes" / f"run_id={job.run.run_id}")


def test_users_of_a_segment_get_what_its_condition_allows(job: JobMaker) -> None:
    done = visible(job("scoring.segments={where: {SE: item_id >= 6, FI: item_id < 3}, others: all}"))

    def closed(user: int, item: int) -> bool:
        return (user < 2 and item < 6) or (user in (2, 3) and item >= 3)

    assert lists(done) == everything_but(lambda user, item: knows(user, item) or closed(user, item))


def test_users_of_a_segment_get_what_a_table_allows_and_others_nothing(job: JobMaker, tmp_path: Path) -> None:
    (tmp_path / "eligible.csv").write_text("segment,item_id\nSE,1\nSE,2\nSE,99\nFI,4\nNO,5\n")
    done = visible(job(f"scoring.segments.table.path={tmp_path}/eligible.csv"))

    eligible = {0: {1, 2}, 1: {1, 2}, 2: {4}, 3: {4}, 4: set(), 5: set()}
    assert lists(done) == {user: {i for i in items if not knows(user, i)} for user, items in eligible.items()}
    outcomes = outcomes_of(done).set_index("user_id")
    assert set(outcomes.outcome) == {"ok"}
    assert outcomes.reason[5] == "nothing_left"


def test_a_row_of_the_table_without_a_segment_stops_the_ingest(job: JobMaker, tmp_path: Path) -> None:
    (tmp_path / "eligible.csv").write_text("segment,item_id\nSE,1\n,2\n")

    with pytest.raises(DataError, match="1 rows without one of them"):
        stages.ingest(job(f"scoring.segments.table.path={tmp_path}/eligible.csv"))


def test_segments_without_a_column_of_the_users_are_refused(job: JobMaker) -> None:
    with pytest.raises(ConfigError, match=r"users\.segment"):
        job("users.segment=null", "scoring.segments={where: {SE: item_id >= 6}}")


def test_no_list_holds_a_score_below_the_minimum(job: JobMaker) -> None:
    every = staged(scored(job()))
    scores = np.concatenate(every.scores.tolist())
    least = float(np.median(scores))

    some = staged(visible(job(f"scoring.min_score={least}")))

    for (_, before), (_, after) in zip(every.iterrows(), some.iterrows(), strict=True):
        high = np.array(before.scores) >= least
        assert after.user_id == before.user_id
        assert list(after.item_ids) == list(np.array(before.item_ids)[high])
        assert list(after.scores) == list(np.array(before.scores)[high])
    assert 0 < some.scores.map(len).sum() < len(scores)
