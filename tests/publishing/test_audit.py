"""The audit: a sound stage passes, and each seeded defect is caught by the rule made for it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from recsys_spark.errors import AuditError
from recsys_spark.publishing.audit import Promises, audit_lists

LISTS = (
    "user_id string, user_index int, variant string, outcome string, reason string, "
    "item_ids array<string>, item_indices array<int>, scores array<float>"
)
ALICE = ("alice", 0, None, "ok", "model", ["x", "y"], [1, 2], [4.0, 3.0])
BOB = ("bob", 1, None, "cold_fallback", "no_trained_vector", ["w"], [0], [3.5])
CAROL = ("carol", 2, None, "error", "score_not_finite", [], [], [])
DAVE = ("dave", 3, None, "ok", "nothing_left", [], [], [])


def audit(spark: SparkSession, *rows: tuple[Any, ...], **promises: Any) -> dict[str, int]:
    lists = spark.createDataFrame(rows, LISTS).coalesce(1)
    promised = Promises(**{"n_items": 3, "top_n": 2, "exclude_seen": True} | promises)
    return audit_lists(lists, users(spark), promised, stage="stage")


def users(spark: SparkSession) -> DataFrame:
    lists = [(0, [0], []), (1, [], [1, 2]), (2, [1], []), (3, [0, 1, 2], [0])]
    return spark.createDataFrame(lists, "user_index int, seen array<int>, barred array<int>").coalesce(1)


def changed(row: tuple[Any, ...], **fields: Any) -> tuple[Any, ...]:
    names = ("user_id", "user_index", "variant", "outcome", "reason", "item_ids", "item_indices", "scores")
    return tuple(fields.get(name, value) for name, value in zip(names, row, strict=True))


def test_a_sound_stage_passes_and_is_counted(spark: SparkSession) -> None:
    found = audit(spark, ALICE, BOB, CAROL, DAVE)

    assert found == {"ok": 2, "cold_fallback": 1, "error": 1, "rows_published": 3}


@pytest.mark.parametrize(
    ("rule", "alice"),
    [
        ("known_user_with_one_outcome", changed(ALICE, outcome="fine")),
        ("known_user_with_one_outcome", changed(ALICE, outcome=None)),
        ("known_user_with_one_outcome", changed(ALICE, user_id=None)),
        ("list_length", changed(ALICE, item_ids=["x", "y", "z"], item_indices=[1, 2, 0], scores=[4.0, 3.0, 2.0])),
        ("list_length", changed(ALICE, scores=[4.0])),
        ("list_length", changed(ALICE, item_ids=["x"])),
        ("error_has_no_list", changed(ALICE, outcome="error")),
        ("known_items", changed(ALICE, item_indices=[1, 3])),
        ("known_items", changed(ALICE, item_indices=[-1, 2])),
        ("known_items", changed(ALICE, item_ids=["x", None])),
        ("each_item_once", changed(ALICE, item_indices=[1, 1])),
        ("finite_scores", changed(ALICE, scores=[math.inf, 3.0])),
        ("finite_scores", changed(ALICE, scores=[math.nan, 3.0])),
        ("finite_scores", changed(ALICE, scores=[4.0, None])),
        ("scores_descend", changed(ALICE, scores=[3.0, 4.0])),
        ("nothing_seen", changed(ALICE, item_indices=[0, 2])),
    ],
)
def test_a_seeded_defect_breaks_its_rule(spark: SparkSession, rule: str, alice: tuple[Any, ...]) -> None:
    with pytest.raises(AuditError) as raised:
        audit(spark, alice, BOB, CAROL, DAVE)

    assert raised.value.subject == f"rule {rule}"
    assert raised.value.found.startswith("1 lists")
    assert "stage" in raised.value.hint


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_a_barred_item_breaks_its_rule_whatever_becomes_of_seen_ones(spark: SparkSession, exclude_seen: bool) -> None:
    with pytest.raises(AuditError, match="nothing_barred") as raised:
        audit(spark, ALICE, changed(BOB, item_indices=[2]), CAROL, DAVE, exclude_seen=exclude_seen)

    assert raised.value.found.startswith("1 lists")


def test_a_user_without_a_row_is_missed(spark: SparkSession) -> None:
    with pytest.raises(AuditError, match="known_user_with_one_outcome"):
        audit(spark, ALICE, BOB, CAROL)


def test_a_user_who_is_not_of_the_run_is_found(spark: SparkSession) -> None:
    with pytest.raises(AuditError, match="known_user_with_one_outcome"):
        audit(spark, ALICE, BOB, CAROL, DAVE, changed(BOB, user_id="eve", user_index=9))


def test_a_user_with_two_rows_is_found(spark: SparkSession) -> None:
    with pytest.raises(AuditError, match="each_list_of_a_user_once"):
        audit(spark, ALICE, BOB, BOB, CAROL, DAVE)


def test_seen_items_are_no_defect_where_they_are_wanted(spark: SparkSession) -> None:
    assert audit(spark, changed(ALICE, item_indices=[0, 2]), BOB, CAROL, DAVE, exclude_seen=False)["ok"] == 2


def in_two_variants(*rows: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    return [changed(row, variant=variant) for row in rows for variant in (None, "new")]


def test_every_user_has_every_variant_once_and_is_counted_once(spark: SparkSession) -> None:
    sound = in_two_variants(ALICE, BOB, CAROL, DAVE)

    found = audit(spark, *sound, variants=("new",))

    assert found == {"ok": 2, "cold_fallback": 1, "error": 1, "rows_published": 6}
    without_two = [row for row in sound if row not in (sound[0], sound[3])]
    for unsound in (sound[:-1], [*sound[:-1], sound[0]], [*sound[1:], sound[1]], without_two):
        with pytest.raises(AuditError, match="each_list_of_a_user_once"):
            audit(spark, *unsound, variants=("new",))
    with pytest.raises(AuditError, match="known_variant"):
        audit(spark, *sound[:-1], changed(DAVE, variant="old"), variants=("new",))


def test_a_score_below_the_minimum_is_found_in_lists_by_the_model(spark: SparkSession) -> None:
    assert audit(spark, ALICE, changed(BOB, scores=[1.0]), CAROL, DAVE, min_score=3.0)["ok"] == 2
    with pytest.raises(AuditError, match="no_low_score"):
        audit(spark, ALICE, BOB, CAROL, DAVE, min_score=3.5)
