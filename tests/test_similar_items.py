"""The job `similar_items`, by real nights on the sample that pyspark ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recsys_spark import similar_items as jobs
from recsys_spark import stages
from recsys_spark.errors import AuditError, ConfigError, DataError
from recsys_spark.job import Job
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.scoring.settings import SimilarItemsSettings
from recsys_spark.similar_items import drawn_users, similar_items
from recsys_spark.vectors import vectors
from tests.visible_nights import Nights

N_USERS, N_ITEMS = 30, 100
MLP = "model={name: mlp, embedding_size: 4, layers: [8], l2: 0}"


@pytest.fixture(scope="module")
def dots(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Nights, Job]:
    """A night of a dot product in Delta that makes the table as well."""
    nights = Nights(spark, tmp_path_factory.mktemp("dots") / "output", "delta")
    return nights, nights.night("similar_items={enabled: true, top_n: 7}")


@pytest.fixture(scope="module")
def deep(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Nights, Job]:
    """A night of a model with layers in Parquet, which is asked for what it cannot give."""
    nights = Nights(spark, tmp_path_factory.mktemp("deep") / "output", "parquet")
    return nights, nights.night(MLP, "similar_items={enabled: true, measure: cosine}")


def lists(rows: pd.DataFrame) -> dict[int, list[int]]:
    """By item, the most similar first; ranks have no gaps, keys are unique."""
    by_item = rows.sort_values(["target_item_id", "rank"]).groupby("target_item_id")
    assert all(list(ranks) == list(range(1, len(ranks) + 1)) for _, ranks in by_item["rank"])
    return {int(item): list(others) for item, others in by_item["item_id"]}


def brute_force(similarity: np.ndarray, n: int) -> dict[int, list[int]]:
    """In the sample the id is the index."""
    order = {i: sorted(set(range(N_ITEMS)) - {i}, key=lambda j: (-similarity[i, j], j)) for i in range(N_ITEMS)}
    return {i: others[:n] for i, others in order.items()}


def products(vectors: np.ndarray) -> np.ndarray:
    """f32[n, n], the dot products of all rows, to the bit."""
    scorer = PairScorer(user=vectors, item=vectors)
    pairs = np.indices((len(vectors), len(vectors)), np.int32).reshape(2, -1)
    return scorer.score(*pairs).reshape(len(vectors), -1)


def units(vectors: np.ndarray) -> np.ndarray:
    exact = vectors.astype(np.float64)
    return (exact / np.linalg.norm(exact, axis=1, keepdims=True)).astype(np.float32)


def test_a_night_that_is_asked_to_makes_the_lists_of_a_brute_force_by_cosine(dots: tuple[Nights, Job]) -> None:
    nights, night = dots
    model_id = str(night.summary.model_id)
    similarity = products(units(nights.model(model_id)["main"].item))

    rows = nights.table("similar_items")

    assert lists(rows) == brute_force(similarity, 7)
    assert (rows.score.to_numpy() == similarity[rows.target_item_id, rows.item_id]).all()
    assert (set(rows.measure), set(rows.model_id), set(rows.run_id)) == ({"cosine"}, {model_id}, {night.run.run_id})
    counts = night.summary.counts
    assert (counts["items_compared"], counts["items_without_similar"]) == (N_ITEMS, 0)
    assert counts["similar_items_published"] == len(rows) == 7 * N_ITEMS
    # that of the night's own lists
    assert counts["rows_published"] == len(nights.table("top_n"))
    assert night.summary.status == "published"
    assert "similar_items" in night.summary.tables
    assert night.run.warnings == []


def test_the_job_asks_the_model_of_the_visible_lists_whatever_its_own_configuration_says(
    dots: tuple[Nights, Job],
) -> None:
    nights, night = dots
    asked = nights.question("similar_items={measure: dot, top_n: 100}")

    similar_items(asked)

    rows, model_id = nights.table("similar_items"), str(night.summary.model_id)
    assert lists(rows) == brute_force(products(nights.model(model_id)["main"].item), N_ITEMS - 1)
    assert asked.summary.model_id == model_id
    assert asked.summary.counts == {
        "items_compared": N_ITEMS,
        "items_without_similar": 0,
        "rows_published": N_ITEMS * (N_ITEMS - 1),
    }
    assert list(asked.summary.tables) == ["similar_items"]
    assert not asked.run.work("similar_items", asked.run.run_id).exists()


def test_a_search_by_numpy_in_the_table_of_vectors_finds_the_same_items(dots: tuple[Nights, Job]) -> None:
    nights, _ = dots
    asked = nights.question()
    vectors(asked)
    similar_items(nights.question("similar_items.top_n=10"))

    table, rows = nights.table("item_vectors"), nights.table("similar_items")

    of_items = np.stack(table.vector.to_list()).astype(np.float64)
    of_items /= np.linalg.norm(of_items, axis=1, keepdims=True)
    found, ids = lists(rows), table.item_id.to_numpy()
    for place, item in enumerate(ids):
        cosines = of_items @ of_items[place]
        order = [j for j in np.argsort(-cosines, kind="stable") if j != place][:10]
        # float32 may put those in another order that are nearer to each other than its rounding
        assert np.abs(np.diff(cosines[order])).min() > 1e-6
        assert list(ids[order]) == found[item]


def test_deep_models_are_compared_by_the_scores_of_drawn_users(deep: tuple[Nights, Job]) -> None:
    nights, night = deep
    asked = nights.question("similar_items={users: 20, seed: 7, top_n: 9}")

    similar_items(asked)

    rows, scorer = nights.table("similar_items"), nights.model(str(night.summary.model_id))["main"]
    users = drawn_users(asked.settings.similar_items, np.ones(N_USERS, np.bool_), n_items=N_ITEMS)
    pairs = np.stack(np.meshgrid(users, np.arange(N_ITEMS, dtype=np.int32), indexing="ij")).reshape(2, -1)
    correlations = np.corrcoef(scorer.score(*pairs).reshape(len(users), -1).astype(np.float64).T)
    assert set(rows.measure) == {"correlation"}
    assert len(rows) == 9 * N_ITEMS
    np.testing.assert_allclose(rows.score, correlations[rows.target_item_id, rows.item_id], atol=1e-5)
    for item, others in lists(rows).items():
        best = np.sort(np.delete(correlations[item], item))[::-1][:9]
        np.testing.assert_allclose(correlations[item, others], best, atol=1e-5)


@pytest.mark.parametrize("measure", ["cosine", "dot"])
def test_angles_of_a_deep_models_vectors_are_refused_with_the_reason(deep: tuple[Nights, Job], measure: str) -> None:
    with pytest.raises(ConfigError, match=r"similar_items.measure: expected auto or correlation.*mlp") as raised:
        similar_items(deep[0].question(f"similar_items.measure={measure}"))

    assert "layers" in raised.value.hint


def test_a_night_stays_published_where_the_table_cannot_be_made(deep: tuple[Nights, Job]) -> None:
    nights, night = deep

    assert (night.summary.status, night.summary.error) == ("published", None)
    assert len(nights.table("top_n")) == 10 * N_USERS
    assert "could not be made" in night.run.warnings[-1]
    assert "similar_items.measure" in night.run.warnings[-1]
    assert "similar_items" not in night.summary.tables


def test_a_back_fill_leaves_the_table_alone(dots: tuple[Nights, Job], monkeypatch: pytest.MonkeyPatch) -> None:
    nights, _ = dots
    earlier = nights.job("similar_items.enabled=true")
    earlier.summary.status = "history_only"
    monkeypatch.setattr(jobs, "visible_model", None)

    jobs.similar_items_of_night(earlier)

    assert earlier.run.warnings == []


def test_lists_that_hold_the_item_itself_are_not_published(
    dots: tuple[Nights, Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    nights, _ = dots
    before = set(nights.table("similar_items").run_id)
    staged = jobs.stage_similar_items

    def with_itself(spark, plan, ids, target):  # type: ignore[no-untyped-def]
        work = staged(spark, plan, ids, target)
        rows = spark.read.parquet(str(target))
        wrong = rows.withColumn("similar_indices", F.transform("similar_indices", lambda _: F.col("item_index")))
        wrong.write.parquet(f"{target}-wrong")
        (target.parent / f"{target.name}-wrong").move(target)
        return work

    monkeypatch.setattr(jobs, "stage_similar_items", with_itself)

    with pytest.raises(AuditError, match="never_itself"):
        similar_items(nights.question())

    assert set(nights.table("similar_items").run_id) == before


def test_items_without_a_vector_are_in_no_list_and_are_counted(
    dots: tuple[Nights, Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    nights, _ = dots
    unit_rows = jobs.unit_rows

    def without(vectors: np.ndarray) -> np.ndarray:
        changed = vectors.copy()
        changed[[3, 50]] = 0
        return unit_rows(changed)

    monkeypatch.setattr(jobs, "unit_rows", without)
    asked = nights.question()

    similar_items(asked)

    rows = nights.table("similar_items")
    assert set(range(N_ITEMS)) - set(rows.target_item_id) == {3, 50} == set(range(N_ITEMS)) - set(rows.item_id)
    assert (asked.summary.counts["items_compared"], asked.summary.counts["items_without_similar"]) == (98, 2)


def test_an_output_without_a_published_run_says_which_job_to_run(spark: SparkSession, tmp_path: Path) -> None:
    nights = Nights(spark, tmp_path / "output", "parquet")
    with pytest.raises(DataError, match="lists that were published") as raised:
        similar_items(nights.question())
    assert "nightly" in raised.value.hint

    stages.ingest(nights.job())

    with pytest.raises(DataError, match="lists that were published"):
        vectors(nights.question())


class TestDrawnUsers:
    def test_the_seed_alone_decides_who_is_drawn_among_those_the_model_knows(self) -> None:
        known = np.arange(1000) % 7 != 0
        settings = SimilarItemsSettings(users=100, seed=5)

        users = drawn_users(settings, known, n_items=10)

        assert len(set(users.tolist())) == 100
        assert known[users].all()
        assert (np.diff(users) > 0).all()
        np.testing.assert_array_equal(users, drawn_users(settings, known, n_items=10))
        assert (users != drawn_users(settings.model_copy(update={"seed": 6}), known, n_items=10)).any()

    def test_fewer_are_drawn_where_their_scores_would_take_too_much(self) -> None:
        known = np.ones(1000, np.bool_)

        assert len(drawn_users(SimilarItemsSettings(), known, n_items=100)) == 1000
        assert len(drawn_users(SimilarItemsSettings(), known, n_items=1 << 20)) == 256
        with pytest.raises(DataError, match="room for 25"):
            drawn_users(SimilarItemsSettings(), known, n_items=(1 << 30) // 100)

    def test_one_user_gives_no_correlation(self) -> None:
        with pytest.raises(DataError, match="two users"):
            drawn_users(SimilarItemsSettings(), np.arange(9) == 4, n_items=3)
