"""Each part is measured with the fit that has not seen it, beside baselines that have not seen it either."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from recsys_spark.evaluation.baselines import fit_baselines
from recsys_spark.evaluation.fits import Evidence, fits_of, measure, validated
from recsys_spark.evaluation.rating import Metric
from recsys_spark.evaluation.settings import AlsSettings, EaseSettings, EvaluationSettings, ImplicitAlsSettings
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.storage import Folder
from tests.evaluation.ratings import N_ITEMS, N_USERS, dot, errors, in_spark, some_ratings, stored

ROWS = some_ratings()
PLAIN = EvaluationSettings(bootstrap=0, k=())


def baselines(rows: pd.DataFrame) -> dict[str, PairScorer]:
    users, items, ratings = (rows[c].to_numpy() for c in ("user_index", "item_index", "rating"))
    return fit_baselines(users, items, ratings, n_users=N_USERS, n_items=N_ITEMS, damping=10)


OF_ALL_BUT_TEST = baselines(ROWS[ROWS.part != "test"])
OF_TRAIN = baselines(ROWS[ROWS.part == "train"])
STORED = (
    {"main": dot(1), "validated": dot(2)}
    | OF_ALL_BUT_TEST
    | {validated(name): scorer for name, scorer in OF_TRAIN.items()}
)


def evidence(spark: SparkSession, rows: pd.DataFrame, folder: Path | None = None) -> Evidence:
    """With a folder also for ranking, which reads files in order."""
    ratings = in_spark(spark, rows) if folder is None else stored(spark, rows, folder)
    kinds = [(user, {"kind": str(user % 2)}) for user in range(N_USERS)]
    users = spark.createDataFrame(kinds, "user_index int, attributes map<string, string>")
    return Evidence(ratings, users, Folder(f"{folder}/ranked"))


def value(metrics: list[Metric], *key: str, segment: str | None = None) -> float:
    (found,) = (m.value for m in metrics if (m.scorer, m.split, m.metric) == key and m.segment == segment)
    return found


def test_figures_on_validation_are_those_of_the_fit_and_baselines_of_train_alone(spark: SparkSession) -> None:
    metrics = measure(evidence(spark, ROWS), STORED, PLAIN).metrics

    expected = {
        "train": {"main": dot(1)} | OF_ALL_BUT_TEST,
        "validation": {"main": dot(2)} | OF_TRAIN,
        "test": {"main": dot(1)} | OF_ALL_BUT_TEST,
    }
    assert {m.scorer for m in metrics} == {"main", "mean", "item_mean", "bias"}
    for part, scorers in expected.items():
        for name in ("main", "mean", "item_mean", "bias"):
            mse = errors(ROWS[ROWS.part == part], scorers[name])["mse"]
            assert value(metrics, name, part, "mse") == pytest.approx(mse, rel=1e-12), (name, part)


def test_ratings_are_counted_among_the_rows_of_the_fit_that_is_measured(spark: SparkSession) -> None:
    metrics = measure(evidence(spark, ROWS), STORED, PLAIN).metrics

    def in_segment(part: str, fitted: pd.DataFrame) -> int:
        known = fitted.groupby("item_index").size()
        return int(ROWS[ROWS.part == part].item_index.map(known).fillna(0).between(1, 4).sum())

    train, held_in = ROWS[ROWS.part == "train"], ROWS[ROWS.part != "test"]
    of_validation = value(metrics, "main", "validation", "n", segment="item_ratings=1-4")
    assert of_validation == in_segment("validation", train) != in_segment("validation", held_in)
    assert value(metrics, "main", "test", "n", segment="item_ratings=1-4") == in_segment("test", held_in)


def test_without_baselines_of_train_alone_validation_shows_the_model_alone(spark: SparkSession) -> None:
    stored = {name: scorer for name, scorer in STORED.items() if not name.startswith("validated_")}

    metrics = measure(evidence(spark, ROWS), stored, PLAIN).metrics

    assert {m.scorer for m in metrics if m.split == "validation"} == {"main"}
    assert {m.scorer for m in metrics if m.split == "test"} == {"main", "mean", "item_mean", "bias"}


def test_without_a_validated_fit_there_is_one_fit_for_all_parts() -> None:
    (only,) = fits_of({"main": dot(1)} | OF_ALL_BUT_TEST)

    assert only.parts == ("train", "validation", "test")
    assert only.popularity is OF_ALL_BUT_TEST["popularity"]


def test_where_the_model_clips_its_baselines_are_measured_both_ways_too(spark: SparkSession) -> None:
    clip = (2.0, 3.25)
    stored = STORED | {name: dataclasses.replace(STORED[name], clip=clip) for name in ("main", "validated")}

    metrics = measure(evidence(spark, ROWS), stored, PLAIN).metrics

    test = ROWS[ROWS.part == "test"]
    for name in ("main", "bias"):
        scorer = dataclasses.replace(stored[name], clip=clip)
        expected = errors(test, scorer)
        assert expected["mse"] != expected["mse_unclipped"]
        for metric in ("mse", "rmse", "mae", "mse_unclipped", "rmse_unclipped", "mae_unclipped"):
            assert value(metrics, name, "test", metric) == pytest.approx(expected[metric], rel=1e-12), (name, metric)


def test_als_is_fitted_without_the_test_part_and_measured_beside_the_others(spark: SparkSession) -> None:
    """A taste that two factors explain: ALS beats what biases alone can tell."""
    like = np.where(ROWS.user_index % 2 == ROWS.item_index % 2, 5, 1).astype(np.float32)
    rows = ROWS.assign(rating=like)
    settings = EvaluationSettings(bootstrap=20, k=(), baselines=("als",), als=AlsSettings(rank=2, iterations=5))
    stored = {"main": dot(1), "validated": dot(2)} | baselines(rows[rows.part != "test"])

    metrics = measure(evidence(spark, rows), stored, settings).metrics

    assert {m.split for m in metrics if m.scorer == "als"} == {"train", "test"}
    assert value(metrics, "als", "test", "mse") < 0.75 * value(metrics, "bias", "test", "mse")
    unlike = rows.assign(rating=np.where(rows.part == "test", 3, like))
    unchanged = measure(evidence(spark, unlike), stored, settings).metrics
    assert value(unchanged, "als", "train", "mse") == pytest.approx(value(metrics, "als", "train", "mse"), rel=1e-4)


def test_each_held_out_part_is_ranked_by_the_fit_that_has_not_seen_it(spark: SparkSession, tmp_path: Path) -> None:
    settings = EvaluationSettings(bootstrap=20, k=(3, 5), segments=("kind",))

    metrics = measure(evidence(spark, ROWS, tmp_path), STORED, settings).metrics

    for part, seen, of_fit in (("validation", ["train"], OF_TRAIN), ("test", ["train", "validation"], OF_ALL_BUT_TEST)):
        fitted, held = ROWS[ROWS.part.isin(seen)], ROWS[ROWS.part == part]
        mean = fitted.rating.mean()
        candidates = set(fitted.item_index)
        relevant = held[(held.rating >= mean) & held.item_index.isin(candidates)]
        relevant = relevant[relevant.user_index.isin(fitted.user_index)]
        assert value(metrics, "main", part, "n_users") == relevant.user_index.nunique()
        (one,) = (m for m in metrics if (m.scorer, m.split, m.metric) == ("main", part, "ndcg@3") and not m.segment)
        assert one.relevant_at == pytest.approx(mean)
        assert one.low is not None
        # popularity ranks by the ratings of the very rows of the fit
        hits = 0
        counts = fitted.item_index.value_counts().reindex(range(N_ITEMS), fill_value=0).to_numpy()
        for user, items in relevant.groupby("user_index").item_index:
            unseen = np.array(sorted(candidates - set(fitted[fitted.user_index == user].item_index)))
            hits += len(set(unseen[np.lexsort((unseen, -counts[unseen]))][:5]) & set(items))
        entries = 5 * value(metrics, "popularity", part, "n_users")
        assert value(metrics, "popularity", part, "precision@5") == pytest.approx(hits / entries)
        assert of_fit["popularity"].item_bias is not None
    assert {m.segment for m in metrics if m.segment and m.segment.startswith("kind")} == {"kind=0", "kind=1"}
    assert not [m for m in metrics if m.split == "train" and m.metric.startswith("ndcg")]


def test_without_held_out_ratings_nothing_is_ranked(spark: SparkSession, tmp_path: Path) -> None:
    rows = ROWS.assign(part="train")

    metrics, groups = measure(
        evidence(spark, rows, tmp_path), {"main": dot(1)} | baselines(rows), EvaluationSettings(bootstrap=0)
    )

    assert groups == []
    assert {m.metric for m in metrics} == {"n", "mse", "rmse", "mae"}


def test_baselines_for_ranking_are_fitted_to_relevant_rows_beside_the_evaluated_model(
    spark: SparkSession, tmp_path: Path
) -> None:
    """Two tastes, told by what users like: who knows them ranks better than popularity."""
    alike = (ROWS.user_index % 2 == ROWS.item_index % 2).to_numpy()
    rows = ROWS.assign(rating=np.where(alike, 5, 1).astype(np.float32))
    names = ("als_implicit", "ease", "item_knn")
    settings = EvaluationSettings(
        bootstrap=0,
        k=(5,),
        relevant_at=4,
        baselines=names,
        als_implicit=ImplicitAlsSettings(rank=2, iterations=5),
        ease=EaseSettings(l2=10),
    )
    stored = {"main": dot(1), "validated": dot(2)} | baselines(rows[rows.part != "test"])

    metrics = measure(evidence(spark, rows, tmp_path), stored, settings).metrics

    of_popularity = value(metrics, "popularity", "test", "ndcg@5")
    for name in names:
        assert value(metrics, name, "test", "ndcg@5") > of_popularity
        assert {m.split for m in metrics if m.scorer == name} == {"test"}
        assert "mse" not in {m.metric for m in metrics if m.scorer == name}
