"""The stages in one session: careless data, odd data, and jobs that do one part each."""

from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from recsys_spark import stages
from recsys_spark.errors import AuditError, DataError
from recsys_spark.ingest.encoding import Vocabularies
from recsys_spark.job import Job
from tests.jobs import JobMaker, checkerboard, night_of, parquet_jobs, published, write_source

QUICK = ("training.epochs=2", "training.batch_size=16")


@pytest.fixture
def job(spark: SparkSession, tmp_path: Path) -> JobMaker:
    """Makes a job on a file of ratings `user::item::rating::timestamp`; each call is a new attempt."""

    def make(ratings: str | bytes, *overrides: str, name: str = "ratings.txt") -> Job:
        write_source(tmp_path / name, ratings)
        return parquet_jobs(spark, tmp_path, f"source.path={tmp_path / name}", *QUICK)(*overrides)

    return make


@pytest.mark.parametrize(
    ("part", "missing"), [(stages.train, "ingest"), (stages.evaluate, "ingest"), (stages.score_and_publish, "ingest")]
)
def test_a_part_without_the_one_before_says_which_job_to_run(
    job: JobMaker, part: Callable[[Job], None], missing: str
) -> None:
    with pytest.raises(DataError, match=f"stage {missing}.*none") as raised:
        part(job(checkerboard()))

    assert f"`{missing}`" in raised.value.hint


def test_a_header_where_none_is_declared_is_one_quarantined_row(job: JobMaker) -> None:
    with_header = job("user::movie::rating::time\n" + checkerboard(), "quality.max_quarantined_share=0.1")

    ingested = stages.ingest(with_header)

    assert ingested.reasons == {"user_id_type": 1}
    assert ingested.vocabularies.ids.user == "long"


def test_text_in_the_rating_column_stops_the_run_above_the_bearable_share(job: JobMaker) -> None:
    bad = "".join(f"{u}::1::good::1\n" for u in range(40))

    with pytest.raises(DataError, match=r"rating_unparsable 40") as raised:
        stages.ingest(job(checkerboard() + bad))

    quarantine = Path(raised.value.hint.split(" in ")[1].split(";")[0])
    rows = pd.read_parquet(quarantine)
    assert len(rows) == 40
    assert set(rows["class"]) == {"defect"}


def test_a_wrong_separator_leaves_no_sound_row(job: JobMaker) -> None:
    with pytest.raises(DataError) as raised:
        stages.ingest(job("1,2,3,4\n2,3,4,5\n", "source.columns={user: 0, item: 0, rating: 0, timestamp: null}"))

    assert "rating_unparsable" in raised.value.found
    assert "separator" in raised.value.hint


def test_a_gzip_file_cut_short_is_told_in_words(job: JobMaker) -> None:
    whole = gzip.compress(checkerboard(400, 60).encode())

    with pytest.raises(DataError, match="cut short"):
        stages.ingest(job(whole[: len(whole) // 2], name="ratings.txt.gz"))


@pytest.mark.slow
def test_three_nights_and_two_bad_ones(job: JobMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables of a first night survive two failures, are the same after a repetition, and grow with the data."""
    first = job(checkerboard())
    stages.nightly(first)
    lists = published(first)

    with pytest.raises(DataError, match="malformed_row"):
        stages.nightly(job("x::y\n" + checkerboard() + "x::y\n" * 50))
    pd.testing.assert_frame_equal(published(first), lists)

    indices_before = Vocabularies.load(first.run.state)
    with pytest.raises(DataError, match="rating_unparsable"):
        stages.nightly(job(checkerboard() + "".join(f"{u}::{u}::good::1\n" for u in range(500, 550))))
    assert Vocabularies.load(first.run.state) == indices_before

    # a kernel that forgets the seen items is the defect that matters most
    plan = stages.plan_of_lists
    with monkeypatch.context() as seeded:
        seeded.setattr(stages, "plan_of_lists", lambda *a, **k: dataclasses.replace(plan(*a, **k), exclude_seen=False))
        with pytest.raises(AuditError, match="nothing_seen"):
            # the stages before it are those of the first night
            stages.score_and_publish(job(checkerboard()))
    pd.testing.assert_frame_equal(published(first), lists)

    again = job(checkerboard(), "run.force=true")
    stages.nightly(again)
    changing = ["run_id", "generated_at"]
    pd.testing.assert_frame_equal(published(again).drop(columns=changing), lists.drop(columns=changing))
    assert again.summary.model_id == first.summary.model_id

    grown = job("-7::3::5::1\n-7::500::5::1\n1000::500::5::1\n1000::1::5::1\n" + checkerboard())
    indices = {side: published(again, f"{side}s").set_index(f"{side}_id")[f"{side}_index"] for side in ("user", "item")}
    stages.nightly(grown)
    for side, before in indices.items():
        after = published(grown, f"{side}s").set_index(f"{side}_id")[f"{side}_index"]
        assert after.loc[before.index].equals(before)
        assert sorted(after) == list(range(len(after)))
        assert len(after) > len(before)
    assert {-7, 1000} <= set(published(grown).user_id)
    history = pd.read_parquet(Path(first.settings.output.path) / "top_n_history")
    runs = history.groupby("run_id", observed=True).size().to_dict()
    assert runs == {first.run.run_id: len(lists), again.run.run_id: len(lists), grown.run.run_id: len(published(grown))}


@pytest.fixture(scope="module")
def odd_night(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A night with everything odd that is allowed, and settings far from the defaults."""
    folder = tmp_path_factory.mktemp("odd")
    everything = "".join(f"99::{i}::3::7\n" for i in range(10))
    ratings = checkerboard(users=30, items=20) + everything + "77::0::-1::5\n77::1::-1::5\n"
    (folder / "ratings.txt").write_text(ratings)
    kinds = "".join(f"{i},Item {i},{'TV' if i < 10 else 'Film'}\n" for i in range(25))
    (folder / "items.csv").write_text("id,title,kind\n" + kinds)
    overrides = [
        f"items.path={folder}/items.csv",
        "items.columns={item: id, title: title, kind: kind}",
        "items.where=kind = 'TV'",
        "quality.drop_ratings=[-1]",
        "scoring.top_n=500",
        "scoring.users=['3', '5', '77', '99']",
        "scoring.fallback=popularity",
        "model={name: mlp, layers: [8], embedding_size: 4}",
        "split.test_fraction=0",
        "training.target=standardised",
        "training.clip=true",
        "training.early_stopping=null",
    ]
    return night_of(parquet_jobs(spark, folder, f"source.path={folder}/ratings.txt", *QUICK)(*overrides))


def test_more_items_wanted_than_there_are_gives_shorter_lists_and_a_warning(odd_night: Job) -> None:
    assert "only 10 candidate items" in odd_night.run.warnings[0]
    ranks = published(odd_night).sort_values(["user_id", "rank"]).groupby("user_id")["rank"].apply(list)
    assert all(r == list(range(1, len(r) + 1)) for r in ranks)
    assert ranks.map(len).max() < 10


def test_only_the_wanted_users_have_outcomes_and_lists(odd_night: Job) -> None:
    outcomes = pd.read_parquet(Path(odd_night.settings.output.path) / "user_outcomes")

    assert set(outcomes.user_id) == {3, 5, 77, 99}
    assert set(published(odd_night).user_id) == {3, 5, 77}


def test_a_user_who_has_seen_everything_is_ok_with_an_empty_list(odd_night: Job) -> None:
    outcomes = pd.read_parquet(Path(odd_night.settings.output.path) / "user_outcomes").set_index("user_id")

    assert tuple(outcomes.loc[99, ["outcome", "n_items", "reason"]]) == ("ok", 0, "nothing_left")


def test_a_dropped_rating_counts_as_seen_and_its_user_gets_the_fallback(odd_night: Job) -> None:
    lists = published(odd_night)
    mine = lists[lists.user_id == 77]

    assert set(mine.reason) == {"cold_fallback"}
    assert set(mine.item_id) == set(range(2, 10))
    assert (odd_night.summary.counts["ok"], odd_night.summary.counts["cold_fallback"]) == (3, 1)


def test_items_where_restricts_training_and_candidates(odd_night: Job) -> None:
    assert set(published(odd_night).item_id) <= set(range(10))
    assert set(published(odd_night, "ratings").item_id) <= set(range(10))
    quarantine = published(odd_night, "quarantine")
    assert set(quarantine.reason) == {"item_filtered", "dropped_value"}
    assert set(quarantine["class"]) == {"policy"}


def test_titles_and_attributes_come_along(odd_night: Job) -> None:
    table = published(odd_night, "items").set_index("item_id")

    assert table.title[3] == "Item 3"
    assert dict(table.attributes[3]) == {"kind": "TV"}


def test_settings_far_from_the_defaults_reach_their_stages(odd_night: Job) -> None:
    assert odd_night.summary.model_id is not None
    assert odd_night.summary.model_id.startswith("mlp-")
    assert "test" not in odd_night.summary.metrics
    lists = published(odd_night)
    assert lists[lists.reason == "model"].score.between(0, 5).all()
