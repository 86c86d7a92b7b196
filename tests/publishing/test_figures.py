"""Seeded defects, each alone: the figure that tells it, by Spark and by arithmetic, and the rows that show it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession

from recsys_spark.publishing import figures, totals
from recsys_spark.publishing.examples import Evidence
from recsys_spark.publishing.figures import Measured
from recsys_spark.publishing.settings import AuditSettings
from recsys_spark.publishing.thresholds import Figure, figure_of, judge
from recsys_spark.publishing.totals import ListTotals, RatingRange
from tests.publishing.nights import END, SOUND, STRICT, List, by_model, items, last_run, lists, sound_night

RATINGS = RatingRange(1.0, 5.0)
NOTHING = {figure_of(name): Figure(None, "") for name in STRICT.rules}


@pytest.fixture(scope="module")
def sound(spark: SparkSession) -> Evidence:
    return sound_night(spark)


def figures_of(rule: str, night: Evidence) -> dict[str, Figure]:
    """The figures of the group that a rule belongs to."""
    users = totals.of_lists(night.lists)
    if rule in ("min_ok_share", "max_failed_share", "max_empty_share"):
        return figures.of_users(users)
    if rule in ("max_score_excess", "max_same_item_share", "min_item_coverage"):
        return figures.of_lists(users, totals.of_items(night.lists), RATINGS, night.items.count())
    assert night.last is not None
    return figures.of_change(users, RATINGS, totals.of_change(night.lists, night.last))


def assert_broken(rule: str, told: dict[str, Figure], value: float) -> None:
    assert told[figure_of(rule)].value == pytest.approx(value), told[figure_of(rule)].told
    assert rule in [breach.rule for breach in judge(NOTHING | told, STRICT).errors]


COLD = ("d", "cold_fallback", "no_trained_vector", [4, 1], [4.0, 3.0])
FAILED = ("d", "error", "score_not_finite", [], [])


@pytest.mark.parametrize(
    ("rule", "value", "row", "example"),
    [
        ("min_ok_share", 0.75, COLD, {"user_id": "d", "outcome": "cold_fallback", "reason": "no_trained_vector"}),
        ("max_failed_share", 0.25, FAILED, {"user_id": "d", "outcome": "error", "reason": "score_not_finite"}),
        ("max_empty_share", 0.25, by_model("d", []), {"user_id": "d", "outcome": "ok", "reason": "nothing_left"}),
        ("max_score_excess", 0.5, by_model("d", [4, 1], (7.0, 1.0)), {"user_id": "d", "item_id": 4, "score": 7.0}),
        ("max_score_excess", 0.75, by_model("d", [4, 1], (5.0, -2.0)), {"user_id": "d", "item_id": 1, "score": -2.0}),
        ("max_same_item_share", 0.75, by_model("d", [3, 1]), {"item_id": 3, "lists": 3}),
        ("min_overlap", 0.75, by_model("d", [2, 3]), {"user_id": "d", "now": [2, 3], "then": {1, 4}}),
        ("min_overlap", 0.875, by_model("d", [4]), {"user_id": "d", "now": [4], "then": {1, 4}}),
        ("min_overlap", 0.75, by_model("d", []), {"user_id": "d", "now": [], "then": {1, 4}}),
    ],
)
def test_a_seeded_list_breaks_its_rule_and_is_shown(
    spark: SparkSession, sound: Evidence, rule: str, value: float, row: List, example: dict[str, Any]
) -> None:
    seeded = replace(sound, lists=lists(spark, [*SOUND[:-1], row]))

    assert_broken(rule, figures_of(rule, seeded), value)
    rows = [{name: set(v) if name == "then" else v for name, v in row.items()} for row in seeded.of(rule)]
    assert example in rows


def test_lists_of_nearly_everything_may_all_hold_the_same() -> None:
    everywhere, entries = totals.ItemTotals(items=4, most_frequent=1, lists=4), {3: 12, 2: 8}

    def share(length: int) -> float | None:
        users = ListTotals(4, 4, 0, 0, 0, 4, 1.0, 5.0, entries[length], 3.0 * entries[length])
        return figures.of_lists(users, everywhere, RATINGS, 4)["same_item_share"].value

    assert share(2) == 1
    assert share(3) is None


def test_users_who_are_gone_are_lost(spark: SparkSession, sound: Evidence) -> None:
    seeded = replace(sound, last=last_run(spark, "abcdef"))

    assert_broken("max_lost_share", figures_of("max_lost_share", seeded), 2 / 6)
    assert seeded.of("max_lost_share") == [{"user_id": "e"}, {"user_id": "f"}]


def test_a_user_whose_list_is_empty_in_both_runs_is_not_compared(spark: SparkSession, sound: Evidence) -> None:
    both_empty = replace(sound, lists=lists(spark, [*SOUND, by_model("e", [])]), last=last_run(spark, "abcde"))

    told = figures_of("min_overlap", both_empty)["overlap"]

    assert (told.value, told.told) == (1.0, "mean over 4 users of both runs")


def test_items_that_nobody_gets_lower_the_coverage(spark: SparkSession, sound: Evidence) -> None:
    seeded = replace(sound, items=items(spark, 7, 8))

    assert_broken("min_item_coverage", figures_of("min_item_coverage", seeded), 4 / 6)
    assert seeded.of("min_item_coverage") == [{"item_id": 8, "n_ratings": 80}, {"item_id": 7, "n_ratings": 70}]


@pytest.mark.parametrize("lower_by", [1.0, -1.0])
def test_scores_that_are_all_higher_or_lower_than_last_time_have_shifted(
    spark: SparkSession, sound: Evidence, lower_by: float
) -> None:
    seeded = replace(sound, last=last_run(spark, lower_by=lower_by))

    assert_broken("max_mean_score_shift", figures_of("max_mean_score_shift", seeded), 0.25)
    assert {"user_id": "a", "best_score": 4.0, "mean_score_then": 3.5 - lower_by} in seeded.of("max_mean_score_shift")


def test_a_model_that_is_worse_than_the_best_baseline_or_than_last_time_is_told() -> None:
    told = figures.of_quality(Measured("mse", 0.99, {"mean": 1.0, "bias": 0.9}, 0.75))

    assert_broken("max_worse_than_baseline", told, 0.1)
    assert_broken("max_worse_than_last_run", told, 0.32)
    assert told["worse_than_baseline"].told == "test mse 0.99, that of the baseline bias 0.9"


def test_a_model_that_was_not_measured_is_not_judged() -> None:
    for measured in (Measured("mse", None, {}, 0.5), Measured("mse", 0.5, {}, None), Measured("mse", 0.5, {"m": 0}, 0)):
        assert [figure.value for figure in figures.of_quality(measured).values()] == [None, None]


def test_a_source_that_is_stuck_gets_older() -> None:
    newest = END - timedelta(hours=12)

    assert figures.of_source(newest, END, read=9, quarantined=0)["source_age"].value == 0.5
    assert_broken("max_source_age", figures.of_source(newest, END + timedelta(days=2), read=9, quarantined=0), 2.5)
    unknown = figures.of_source(None, END, read=9, quarantined=0)
    assert unknown["source_age"].value is None
    assert judge(NOTHING | unknown, AuditSettings()) == ((), ())
    assert [breach.found for breach in judge(NOTHING | unknown, STRICT).errors] == [
        "nothing (no rating has a timestamp before the end of the as_of day)"
    ]


def test_quarantined_rows_of_any_class_count() -> None:
    assert_broken("max_quarantined_share", figures.of_source(None, END, read=100, quarantined=20), 0.2)


def test_ratings_that_are_all_the_same_have_no_range_to_leave(sound: Evidence) -> None:
    users, same = totals.of_lists(sound.lists), RatingRange(5.0, 5.0)

    assert figures.of_lists(users, totals.of_items(sound.lists), same, 4)["score_excess"].value is None
