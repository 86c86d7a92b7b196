"""The audit of similar items: a sound stage passes, and each seeded defect is caught by the rule made for it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pyspark.sql import SparkSession

from recsys_spark.errors import AuditError
from recsys_spark.publishing.audit_items import audit_similar_items

NAMES = ("item_id", "item_index", "similar_ids", "similar_indices", "scores", "finite")
LISTS = (
    "item_id string, item_index int, similar_ids array<string>, similar_indices array<int>, scores array<float>, "
    "finite boolean"
)
TEA = ("tea", 0, ["milk", "salt"], [1, 2], [0.5, 0.5], True)
MILK = ("milk", 1, ["salt", "tea"], [2, 0], [0.9, 0.5], True)
SALT = ("salt", 2, [], [], [], False)


def audit(spark: SparkSession, *rows: tuple[Any, ...]) -> dict[str, int]:
    lists = spark.createDataFrame(rows, LISTS).coalesce(1)
    return audit_similar_items(lists, n_items=3, top_n=2, stage="the stage")


def changed(row: tuple[Any, ...], **fields: Any) -> tuple[Any, ...]:
    return tuple(fields.get(name, value) for name, value in zip(NAMES, row, strict=True))


def test_a_sound_stage_passes_and_is_counted(spark: SparkSession) -> None:
    assert audit(spark, TEA, MILK, SALT) == {"rows_published": 4, "error": 1}


@pytest.mark.parametrize(
    ("rule", "tea"),
    [
        ("known_item", changed(TEA, item_id=None)),
        ("list_length", changed(TEA, similar_ids=["milk"], similar_indices=[1], scores=[0.5])),
        ("list_length", changed(TEA, scores=[0.5])),
        ("list_length", changed(TEA, similar_ids=["milk"])),
        ("list_length", changed(TEA, finite=False)),
        ("known_ids", changed(TEA, similar_ids=["milk", None])),
        ("never_itself", changed(TEA, similar_indices=[0, 2])),
        ("each_item_once", changed(TEA, similar_indices=[2, 2])),
        ("finite_scores", changed(TEA, scores=[math.inf, 0.5])),
        ("finite_scores", changed(TEA, scores=[0.5, None])),
        ("scores_descend", changed(TEA, scores=[0.4, 0.5])),
        ("ties_by_index", changed(TEA, similar_ids=["salt", "milk"], similar_indices=[2, 1])),
        ("compared_items", changed(TEA, similar_indices=[1, 9])),
    ],
)
def test_a_seeded_defect_breaks_its_rule(spark: SparkSession, rule: str, tea: tuple[Any, ...]) -> None:
    with pytest.raises(AuditError) as raised:
        audit(spark, tea, MILK, SALT)

    assert raised.value.subject == f"rule {rule}"
    assert raised.value.found.startswith("1 ")
    assert "the stage" in raised.value.hint


@pytest.mark.parametrize("rows", [(TEA, MILK), (TEA, MILK, MILK)], ids=["missing", "twice"])
def test_an_item_without_a_row_or_with_two_is_found(spark: SparkSession, rows: tuple[Any, ...]) -> None:
    with pytest.raises(AuditError, match="one_row_for_each_item"):
        audit(spark, *rows)
