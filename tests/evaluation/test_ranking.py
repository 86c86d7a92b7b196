"""Ranking figures are those of lists made by sorting plain scores, measured by another library."""

from __future__ import annotations

from collections.abc import Mapping

import ir_measures
import numpy as np
import pandas as pd
import pytest
from ir_measures import AP, RR, P, R, Success, nDCG
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.evaluation.ranking import RankingPlan, rank_users, whole_files
from recsys_spark.evaluation.ranking_figures import RankingFigures
from recsys_spark.evaluation.rating import Metric
from recsys_spark.kernels.list_metrics import gini
from recsys_spark.kernels.scorer import PairScorer
from tests.evaluation.ratings import N_USERS, counts, dot, some_ratings, stored

K = (3, 10)
RELEVANT_AT = 3.0
THEIRS = {"ndcg": nDCG, "recall": R, "precision": P, "map": AP, "mrr": RR, "hit_rate": Success}

ROWS = some_ratings(900)
# user 7 has nothing but held-out rows, user 8 none that are relevant, item 2 is held out everywhere
ROWS.loc[ROWS.user_index == 7, "part"] = "test"
ROWS.loc[(ROWS.user_index == 8) & (ROWS.part == "test"), "rating"] = 1.0
ROWS.loc[ROWS.item_index == 2, "part"] = "test"
FITTED, HELD = ROWS[ROWS.part != "test"], ROWS[ROWS.part == "test"]
COUNTS = counts(FITTED)
assert COUNTS.user_bias is not None
assert COUNTS.item_bias is not None
CANDIDATES = np.flatnonzero(COUNTS.item_bias > 0).astype(np.int32)
SCORERS = {"main": dot(1), "popularity": COUNTS}


@pytest.fixture(scope="module")
def ranked(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> DataFrame:
    assert COUNTS.user_bias is not None
    assert COUNTS.item_bias is not None
    folder = tmp_path_factory.mktemp("ranked")
    ratings = stored(spark, ROWS, folder, files=4)
    plan = RankingPlan(SCORERS, CANDIDATES, COUNTS.item_bias, COUNTS.user_bias > 0, RELEVANT_AT, K, negatives=1000)
    with whole_files(spark):
        rows = rank_users(ratings, plan, held_out="test", fitted=("train", "validation"))
        rows.write.parquet(f"{folder}/ranked")
    return spark.read.parquet(f"{folder}/ranked")


@pytest.fixture(scope="module")
def found(ranked: DataFrame) -> list[Metric]:
    return figures(ranked).all().metrics


def figures(ranked: DataFrame, resamples: int = 0) -> RankingFigures:
    return RankingFigures(ranked, "test", K, len(CANDIDATES), resamples=resamples, sampled=True, seed=1)


def relevant() -> dict[int, set[int]]:
    """Of every user who can be ranked."""
    wanted = HELD[(HELD.rating >= RELEVANT_AT) & HELD.item_index.isin(CANDIDATES)]
    wanted = wanted[wanted.user_index.isin(FITTED.user_index)]
    return {int(user): set(rows.item_index) for user, rows in wanted.groupby("user_index")}


def lists(scorer: PairScorer, *, sampled: bool = False) -> dict[int, list[int]]:
    """By sorting all scores; of equals the lower index first. Sampled: all that are relevant or not rated at all."""
    found = {}
    for user, wanted in relevant().items():
        seen = set(FITTED[FITTED.user_index == user].item_index)
        if sampled:
            seen |= set(HELD[HELD.user_index == user].item_index) - wanted
        unseen = np.array([i for i in CANDIDATES if i not in seen], np.int32)
        scores = scorer.score(np.full(len(unseen), user, np.int32), unseen)
        found[user] = unseen[np.lexsort((unseen, -scores))][: max(K)].tolist()
    return found


def value(found: list[Metric], scorer: str, metric: str, segment: str | None = None) -> float:
    (one,) = (m.value for m in found if (m.scorer, m.metric, m.segment) == (scorer, metric, segment))
    return one


def theirs(scorer: PairScorer, users: set[int] | None = None, *, sampled: bool = False) -> Mapping[str, float]:
    wanted = relevant().keys() if users is None else users
    qrels = [ir_measures.Qrel(str(u), str(i), 1) for u, items in relevant().items() if u in wanted for i in items]
    run = [
        ir_measures.ScoredDoc(str(u), str(item), -float(rank))
        for u, items in lists(scorer, sampled=sampled).items()
        if u in wanted
        for rank, item in enumerate(items)
    ]
    measures = {THEIRS[metric] @ k: f"{metric}@{k}" for metric in THEIRS for k in K}
    return {measures[m]: float(v) for m, v in ir_measures.calc_aggregate(list(measures), qrels, run).items()}


@pytest.mark.parametrize("scorer", SCORERS)
def test_lists_are_those_of_sorting_all_scores_of_what_the_fit_has_not_seen(ranked: DataFrame, scorer: str) -> None:
    rows = ranked.where(F.col("scorer") == scorer).toPandas()
    assert {user: list(items) for user, items in zip(rows.user_index, rows["items"], strict=True)} == lists(
        SCORERS[scorer]
    )


@pytest.mark.parametrize("scorer", SCORERS)
def test_figures_among_drawn_items_have_names_of_their_own_and_are_those_of_another_library(
    found: list[Metric], scorer: str
) -> None:
    # more are wanted than there are, so that all are drawn
    for name, expected in theirs(SCORERS[scorer], sampled=True).items():
        metric, _, k = name.partition("@")
        assert value(found, scorer, f"{metric}_sampled@{k}") == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("scorer", SCORERS)
def test_means_are_those_of_another_library(found: list[Metric], scorer: str) -> None:
    expected = theirs(SCORERS[scorer])
    assert value(found, scorer, "n_users") == len(relevant())
    for name, mean in expected.items():
        assert value(found, scorer, name) == pytest.approx(mean, abs=1e-9)


def test_segments_by_activity_are_means_of_their_users(found: list[Metric]) -> None:
    sizes = FITTED.groupby("user_index").size()
    some = {user for user in relevant() if 20 <= sizes[user] < 50}
    assert 0 < len(some) < len(relevant())
    segment = "user_ratings=20-49"
    assert value(found, "main", "n_users", segment) == len(some)
    for name, mean in theirs(SCORERS["main"], some).items():
        assert value(found, "main", name, segment) == pytest.approx(mean, abs=1e-9)


def test_segments_by_a_column_of_the_users(ranked: DataFrame, spark: SparkSession) -> None:
    kinds = [(u, "even" if u % 2 == 0 else None) for u in range(N_USERS)]
    users = spark.createDataFrame(kinds, "user_index int, k string")
    found = figures(ranked).by_column(users, "kind", F.col("k"))
    even = {user for user in relevant() if user % 2 == 0}
    assert {m.segment for m in found} == {"kind=even"}
    assert value(found, "main", "n_users", "kind=even") == len(even)
    assert value(found, "main", "ndcg@10", "kind=even") == pytest.approx(theirs(SCORERS["main"], even)["ndcg@10"])


def test_recall_by_popularity_adds_up_to_the_hits(found: list[Metric]) -> None:
    popularity = FITTED.groupby("item_index").size()
    mine, hits, wanted = lists(SCORERS["main"]), {}, {}
    for user, items in relevant().items():
        for item in items:
            name = "1-4" if popularity[item] < 5 else "5-9" if popularity[item] < 10 else "10-19"
            if popularity[item] < 20:
                wanted[name] = wanted.get(name, 0) + 1
                hits[name] = hits.get(name, 0) + (item in mine[user][:10])
    assert len(wanted) == 3
    for name, n in wanted.items():
        assert value(found, "main", "recall@10", f"item_ratings={name}") == pytest.approx(hits[name] / n)


def test_coverage_gini_and_novelty_are_of_what_the_lists_hold(found: list[Metric]) -> None:
    entries = pd.Series([item for items in lists(SCORERS["main"]).values() for item in items[:3]])
    exposure = entries.value_counts()
    everything = np.zeros(len(CANDIDATES))
    everything[: len(exposure)] = exposure
    assert value(found, "main", "item_coverage@3") == pytest.approx(len(exposure) / len(CANDIDATES))
    assert value(found, "main", "gini@3") == pytest.approx(gini(everything))
    known = FITTED.user_index.nunique()
    popularity = FITTED.groupby("item_index").size()
    expected = -np.log2(popularity[entries].to_numpy() / known).mean()
    assert value(found, "main", "novelty@3") == pytest.approx(expected, rel=1e-6)


def test_whoever_and_whatever_is_cold_is_counted_apart(found: list[Metric]) -> None:
    held_users = set(HELD.user_index)
    known = set(FITTED.user_index)
    liked = HELD[HELD.rating >= RELEVANT_AT]
    assert value(found, "main", "cold_users") == len(held_users - known) == 1
    assert value(found, "main", "users_without_relevant_items") == len((held_users & known) - set(relevant()))
    assert value(found, "main", "users_without_relevant_items") > 0
    assert value(found, "main", "cold_item_ratings") == len(liked[~liked.item_index.isin(CANDIDATES)]) > 0


def test_intervals_hold_the_figures_and_are_narrower_for_a_gain(ranked: DataFrame) -> None:
    found = {(m.scorer, m.metric): m for m in figures(ranked, resamples=300).all().metrics if m.segment is None}
    for key in (("main", "ndcg@10"), ("popularity", "recall@3"), ("main", "ndcg_gain@10"), ("main", "novelty@10")):
        one = found[key]
        assert one.low is not None
        assert one.high is not None
        assert one.low <= one.value <= one.high
        assert one.low < one.high
    gain = found["main", "ndcg_gain@10"]
    assert gain.value == pytest.approx(found["main", "ndcg@10"].value - found["popularity", "ndcg@10"].value)
    assert found["main", "cold_users"].low is None
