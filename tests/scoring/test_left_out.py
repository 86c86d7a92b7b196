"""What is left out of a list: seen items, barred ones, or both, in order and once."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from recsys_spark.scoring.left_out import with_barred

USERS = [
    ("both", [1, 4, 6], [0, 4, 9], [0, 1, 4, 6, 9]),
    ("nothing barred", [2, 3], [], [2, 3]),
    ("nothing seen", [], [5, 7], [5, 7]),
    ("neither", [], [], []),
]


@pytest.mark.parametrize("seen", [True, False])
def test_the_one_column_holds_all_that_is_left_out_ascending_and_once(spark: SparkSession, seen: bool) -> None:
    rows = [user[:3] for user in USERS]
    users = spark.createDataFrame(rows, "user_id string, seen array<int>, barred array<int>")

    found = {row["user_id"]: row["seen"] for row in with_barred(users, seen=seen).collect()}

    assert found == {name: both if seen else barred for name, _, barred, both in USERS}


def test_nothing_is_shuffled(spark: SparkSession) -> None:
    users = spark.createDataFrame([], "user_id string, seen array<int>, barred array<int>")

    plan = with_barred(users, seen=True)._jdf.queryExecution().executedPlan().toString()

    assert "Exchange" not in plan
