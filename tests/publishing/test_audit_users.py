"""The audit of lists of users: a sound stage passes, and each seeded defect is caught by the rule made for it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pyspark.sql import SparkSession

from recsys_spark.errors import AuditError
from recsys_spark.publishing.audit_users import audit_user_lists

NAMES = ("item_id", "item_index", "user_ids", "user_indices", "scores", "finite")
LISTS = (
    "item_id long, item_index int, user_ids array<string>, user_indices array<int>, scores array<float>, finite boolean"
)
TEA = (70, 0, ["ann", "bob"], [0, 1], [4.0, 3.0], True)
MILK = (71, 1, ["bob"], [1], [3.5], True)
SALT = (72, 2, [], [], [], False)
USERS = [(0, [1], []), (1, [], [2]), (2, [0], [0])]
"""Index, seen, barred."""


def audit(spark: SparkSession, *rows: tuple[Any, ...], exclude_seen: bool = True) -> dict[str, int]:
    lists = spark.createDataFrame(rows, LISTS).coalesce(1)
    users = spark.createDataFrame(USERS, "user_index int, seen array<int>, barred array<int>").coalesce(1)
    return audit_user_lists(lists, users, n_items=3, top_users=2, exclude_seen=exclude_seen, stage="the stage")


def changed(row: tuple[Any, ...], **fields: Any) -> tuple[Any, ...]:
    return tuple(fields.get(name, value) for name, value in zip(NAMES, row, strict=True))


def test_a_sound_stage_passes_and_is_counted(spark: SparkSession) -> None:
    assert audit(spark, TEA, MILK, SALT) == {"rows_published": 3, "error": 1}


@pytest.mark.parametrize(
    ("rule", "tea"),
    [
        ("known_item", changed(TEA, item_id=None)),
        ("list_length", changed(TEA, user_ids=["a", "b", "c"], user_indices=[0, 1, 2], scores=[4.0, 3.0, 2.0])),
        ("list_length", changed(TEA, scores=[4.0])),
        ("list_length", changed(TEA, user_ids=["ann"])),
        ("not_finite_has_no_list", changed(TEA, finite=False)),
        ("known_ids", changed(TEA, user_ids=["ann", None])),
        ("each_user_once", changed(TEA, user_indices=[1, 1])),
        ("finite_scores", changed(TEA, scores=[math.inf, 3.0])),
        ("finite_scores", changed(TEA, scores=[4.0, None])),
        ("scores_descend", changed(TEA, scores=[3.0, 4.0])),
        ("user_of_the_run", changed(TEA, user_indices=[0, 9])),
        ("nothing_barred", changed(TEA, user_indices=[0, 2])),
    ],
)
def test_a_seeded_defect_breaks_its_rule(spark: SparkSession, rule: str, tea: tuple[Any, ...]) -> None:
    with pytest.raises(AuditError) as raised:
        audit(spark, tea, MILK, SALT, exclude_seen=rule != "nothing_barred")

    assert raised.value.subject == f"rule {rule}"
    assert raised.value.found.startswith("1 ")
    assert "the stage" in raised.value.hint


def test_a_user_who_has_seen_the_item_breaks_the_rule_if_seen_items_are_left_out(spark: SparkSession) -> None:
    seen = changed(MILK, user_ids=["ann"], user_indices=[0])

    with pytest.raises(AuditError, match="nothing_seen"):
        audit(spark, TEA, seen, SALT)
    assert audit(spark, TEA, seen, SALT, exclude_seen=False)["rows_published"] == 3


@pytest.mark.parametrize("rows", [(TEA, MILK), (TEA, MILK, MILK)], ids=["missing", "twice"])
def test_an_item_without_a_row_or_with_two_is_found(spark: SparkSession, rows: tuple[Any, ...]) -> None:
    with pytest.raises(AuditError, match="one_row_for_each_item"):
        audit(spark, *rows)
