"""Errors from one pass of Spark are those that pandas finds."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from recsys_spark.errors import DataError
from recsys_spark.evaluation.rating import Metric, rating_errors
from recsys_spark.evaluation.segments import rating_bins
from recsys_spark.kernels.levels import most_likely
from recsys_spark.kernels.scorer import PairScorer
from tests.evaluation.ratings import classifier, counts, dot, errors, in_spark, some_ratings

ROWS = some_ratings()
FITTED = ROWS[ROWS.part != "test"]
PLAIN, CLIPPING = dot(1), dot(2, clip=(1, 5))


@pytest.fixture(scope="module")
def metrics(spark: SparkSession) -> list[Metric]:
    ratings = in_spark(spark, ROWS).repartition(3).cache()
    bins = rating_bins(ratings)
    scorers = {"main": CLIPPING, "mean": PLAIN}
    return rating_errors(ratings, scorers, bins=bins, popularity=counts(FITTED), resamples=100, seed=5)


def figures(metrics: list[Metric], scorer: str, split: str, segment: str | None = None) -> dict[str, float]:
    wanted = (scorer, split, segment)
    return {m.metric: m.value for m in metrics if (m.scorer, m.split, m.segment) == wanted and m.metric != "mse_gain"}


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_overall_errors_are_those_of_pandas(metrics: list[Metric], split: str) -> None:
    rows = ROWS[ROWS.part == split]

    for name, scorer in (("main", CLIPPING), ("mean", PLAIN)):
        assert figures(metrics, name, split) == pytest.approx(errors(rows, scorer), rel=1e-12)


def test_clipping_changes_the_errors_and_both_are_told(metrics: list[Metric]) -> None:
    found = figures(metrics, "main", "test")

    assert found["mse"] < found["mse_unclipped"]
    assert "mse_unclipped" not in figures(metrics, "mean", "test")


def segment_rows(segment: str) -> pd.DataFrame:
    """The rows of a segment, by its name alone."""
    of, _, text = segment.partition("=")
    if of == "rating":
        return ROWS[ROWS.rating == float(text)]
    index = f"{of.removesuffix('_ratings')}_index"
    known = FITTED.groupby(index).size().reindex(ROWS[index], fill_value=0).to_numpy()
    low, _, high = text.removesuffix("+").partition("-")
    highest = float("inf") if text.endswith("+") else int(high or low)
    return ROWS[(known >= int(low)) & (known <= highest)]


def test_errors_of_every_segment_are_those_of_pandas(metrics: list[Metric]) -> None:
    segments = {(m.segment, m.split) for m in metrics if m.segment is not None}

    assert {s for s, _ in segments if s.startswith("rating=")} == {f"rating={level}" for level in range(1, 6)}
    for segment, split in segments:
        rows = segment_rows(segment)
        expected = errors(rows[rows.part == split], CLIPPING)
        assert figures(metrics, "main", split, segment) == pytest.approx(expected, rel=1e-12), (segment, split)


@pytest.mark.parametrize("of", ["rating", "user_ratings", "item_ratings"])
def test_the_segments_of_a_kind_share_out_all_rows(metrics: list[Metric], of: str) -> None:
    kind = [m for m in metrics if m.metric == "n" and m.scorer == "main" and (m.segment or "").startswith(f"{of}=")]

    assert sum(m.value for m in kind) == len(ROWS)
    assert len({m.segment for m in kind}) > 3


def test_users_without_a_rating_in_the_fit_are_a_segment(spark: SparkSession) -> None:
    rows = ROWS[ROWS.user_index.isin([0, 1])].assign(part="test")
    popularity = counts(ROWS[ROWS.user_index != 1])
    ratings = in_spark(spark, rows)

    found = rating_errors(ratings, {"main": PLAIN}, bins=rating_bins(ratings), popularity=popularity)

    n = {m.segment: m.value for m in found if m.metric == "n"}
    assert n["user_ratings=0"] == (rows.user_index == 1).sum() > 0


def test_intervals_belong_to_overall_errors_and_hold_them(metrics: list[Metric]) -> None:
    with_interval = [m for m in metrics if m.low is not None]

    assert {(m.scorer, m.split) for m in with_interval} == {
        (scorer, split) for scorer in ("main", "mean") for split in ("train", "validation", "test")
    }
    assert all(m.segment is None and m.metric != "n" for m in with_interval)
    assert all(m.low < m.value < m.high for m in with_interval)


def test_the_gain_is_the_best_baseline_minus_the_model(spark: SparkSession) -> None:
    ratings = in_spark(spark, ROWS[ROWS.part == "test"])
    scorers = {"main": PLAIN, "mean": dot(2), "bias": dot(3)}

    found = rating_errors(ratings, scorers, bins=rating_bins(ratings), resamples=50)

    mse = {m.scorer: m.value for m in found if m.metric == "mse" and m.segment is None}
    (gain,) = (m for m in found if m.metric == "mse_gain")
    assert gain.value == pytest.approx(min(mse["mean"], mse["bias"]) - mse["main"])
    assert gain.low < gain.value < gain.high


def test_a_rival_that_is_always_worse_by_the_same_has_a_gain_without_doubt(spark: SparkSession) -> None:
    rows = ROWS.assign(rating=np.float32(3))
    flat = dataclasses.replace(PLAIN, user=np.zeros_like(PLAIN.user))
    scorers = {"main": flat, "mean": dataclasses.replace(flat, offset=4.0)}
    ratings = in_spark(spark, rows)

    found = rating_errors(ratings, scorers, bins=rating_bins(ratings), resamples=50)

    gains = [m for m in found if m.metric == "mse_gain"]
    assert len(gains) == 3
    assert all((m.low, m.value, m.high) == (1.0, 1.0, 1.0) for m in gains)


def test_without_resamples_and_counts_there_are_plain_figures_only(spark: SparkSession) -> None:
    ratings = in_spark(spark, ROWS)

    found = rating_errors(ratings, {"main": PLAIN}, bins=rating_bins(ratings))

    assert all(m.low is None and m.high is None for m in found)
    assert {(m.segment or "rating=").partition("=")[0] for m in found} == {"rating"}
    assert figures(found, "main", "test") == pytest.approx(errors(ROWS[ROWS.part == "test"], PLAIN), rel=1e-12)


@pytest.mark.parametrize("levels", [[1, 2, 3, 4, 5], [5, 1, 3]])
def test_a_classifier_is_measured_by_its_most_likely_level_too(spark: SparkSession, levels: list[float]) -> None:
    scorer = classifier(levels)
    ratings = in_spark(spark, ROWS)

    found = figures(rating_errors(ratings, {"main": scorer}, bins=rating_bins(ratings)), "main", "test")

    rows = ROWS[ROWS.part == "test"]
    level = most_likely(scorer, rows.user_index.to_numpy(), rows.item_index.to_numpy())
    ascending = np.sort(levels)
    nearest = [max(ascending[abs(ascending - r) == abs(ascending - r).min()]) for r in rows.rating]
    assert len(set(level)) > 1
    assert found["accuracy"] == pytest.approx((level == nearest).mean())
    assert found["mae_most_likely"] == pytest.approx(abs(level - rows.rating).mean())
    assert found["mse"] == pytest.approx(errors(rows, scorer)["mse"], rel=1e-12)


@pytest.mark.parametrize("clip", [None, (1.0, 5.0)])
def test_a_score_that_is_not_finite_is_refused(spark: SparkSession, clip: tuple[float, float] | None) -> None:
    vectors = np.full((PLAIN.n_users, 2), 3e38, np.float32)
    opposed = np.tile(np.float32([10, -10]), (PLAIN.n_items, 1))  # inf - inf
    ratings = in_spark(spark, ROWS)

    with pytest.raises(DataError, match="scorer main: expected finite scores"):
        rating_errors(ratings, {"main": PairScorer(vectors, opposed, clip=clip)}, bins=rating_bins(ratings))
