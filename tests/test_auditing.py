"""The figures of a whole night: a sound one keeps to every rule, a broken one breaks all of them and shows it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from pyspark.sql import SparkSession

from recsys_spark import config
from recsys_spark.auditing import night_figures, rules_of
from recsys_spark.publishing.examples import Evidence
from recsys_spark.publishing.figures import Measured
from recsys_spark.publishing.settings import AuditSettings
from recsys_spark.publishing.thresholds import error_of, judge
from recsys_spark.settings import Settings
from tests.publishing.nights import END, STRICT, by_model, items, last_run, lists, sound_night

MEASURED = Measured("mse", 0.8, {"mean": 1.0, "bias": 0.9}, 0.8)
COUNTS = {"ratings_read": 100, "ratings_quarantined": 2}


@pytest.fixture(scope="module")
def sound(spark: SparkSession) -> Evidence:
    return sound_night(spark)


def test_a_sound_night_keeps_to_the_strictest_thresholds(sound: Evidence) -> None:
    told = night_figures(sound, COUNTS, MEASURED)

    assert {name: figure.value for name, figure in told.items()} == pytest.approx(
        {
            "ok_share": 1.0,
            "failed_share": 0.0,
            "empty_share": 0.0,
            "lost_share": 0.0,
            "score_excess": 0.0,
            "item_coverage": 1.0,
            "same_item_share": 0.5,
            "overlap": 1.0,
            "mean_score_shift": 0.0,
            "worse_than_baseline": 0.8 / 0.9 - 1,
            "worse_than_last_run": 0.0,
            "source_age": 0.5,
            "quarantined_share": 0.02,
        }
    )
    assert judge(told, STRICT) == ((), ())


def test_of_a_model_for_ranking_the_order_is_judged_and_not_the_size_of_scores(sound: Evidence) -> None:
    better = replace(MEASURED, metric="ndcg@10", model=0.4, baselines={"popularity": 0.1, "ease": 0.32}, last=0.5)
    told = night_figures(sound, COUNTS, better, scores_are_ratings=False)

    assert told["score_excess"].value is told["mean_score_shift"].value is None
    assert "no ratings" in told["score_excess"].told
    # a quarter better than the best baseline, a fifth worse than the last run
    assert told["worse_than_baseline"].value == pytest.approx(-0.25)
    assert "ease" in told["worse_than_baseline"].told
    assert told["worse_than_last_run"].value == pytest.approx(0.2)


def test_a_first_night_is_compared_with_nothing(sound: Evidence) -> None:
    told = night_figures(replace(sound, last=None), COUNTS, replace(MEASURED, last=None))

    compared = ("lost_share", "overlap", "mean_score_shift", "worse_than_last_run")
    assert [told[name].value for name in compared] == [None] * 4
    assert judge(told, STRICT) == ((), ())


def test_a_night_where_everything_is_wrong_breaks_every_rule_and_shows_rows(
    spark: SparkSession, sound: Evidence
) -> None:
    cold, failed = ("b", "cold_fallback", "no_trained_vector", [1], [3.0]), ("c", "error", "score_not_finite", [], [])
    broken = replace(
        sound,
        lists=lists(spark, [by_model("a", [1], (9.0,)), cold, failed]),
        items=items(spark, 5),
        end=END + timedelta(days=2),
        last=last_run(spark, lower_by=1.0),
    )

    told = night_figures(broken, {"ratings_read": 10, "ratings_quarantined": 2}, replace(MEASURED, model=0.95))
    errors = judge(told, STRICT).errors
    error = error_of(errors, broken.of, stage="stage")

    assert [breach.rule for breach in errors] == list(STRICT.rules)
    assert all(rule in error.subject for rule in STRICT.rules)
    for shown in (
        "{'user_id': 'b', 'outcome': 'cold_fallback', 'reason': 'no_trained_vector'}",
        "{'user_id': 'c', 'outcome': 'error', 'reason': 'score_not_finite'}",
        "{'user_id': 'd'}",
        "{'user_id': 'a', 'item_id': 1, 'score': 9.0}",
        "{'item_id': 5, 'n_ratings': 50}",
        "{'item_id': 1, 'lists': 1}",
        "'best_score': 9.0",
        "{'user_id': 'a', 'item_id': 1, 'rating': 1.0, 'timestamp': '2024-02-29 12:00:00'}",
        "'raw': 'x::y'",
        "test mse 0.95, that of the baseline bias 0.9",
        "that of the last run 0.8",
    ):
        assert shown in error.found


def test_a_run_without_users_is_one_of_empty_lists(spark: SparkSession, sound: Evidence) -> None:
    told = night_figures(replace(sound, lists=lists(spark, [])), COUNTS, MEASURED)

    assert told["empty_share"].value == 1
    assert [breach.rule for breach in judge(told, AuditSettings()).errors] == ["max_empty_share", "max_lost_share"]


def test_the_age_that_an_ingest_may_have_holds_for_the_audit_too() -> None:
    timestamp = "source.columns.timestamp=at"

    def error(*overrides: str) -> float | None:
        return rules_of(config.load(Settings, [], [timestamp, *overrides])).max_source_age.error

    assert error() is None
    assert error("quality.max_source_age=2") == 2
    assert error("quality.max_source_age=2", "audit.max_source_age.error=1") == 1
    assert error("quality.max_source_age=2", "audit.max_source_age.error=3") == 2
