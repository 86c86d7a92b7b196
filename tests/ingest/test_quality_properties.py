"""What holds for any rows, however dirty: the books balance, and order and partitioning change nothing."""

from __future__ import annotations

import random
from collections import Counter
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from recsys_spark.ingest import quality
from recsys_spark.ingest.settings import QualitySettings
from tests.ingest.ratings import Text, as_read, judged

few_jobs = settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
"""Each example is a table of its own and costs several Spark jobs; the tables are large instead."""

dirt = st.sampled_from([None, "", " ", "NaN", "-1", "007", "1e400", "9", "x", "2024-01-01", "\u00e9", '"', ",", "7"])
few_ids = st.integers(0, 6).map(str)
dirty_rows = st.lists(
    st.tuples(
        few_ids | dirt,
        few_ids | dirt,
        st.integers(0, 50).map(lambda tenths: str(tenths / 10)) | dirt,
        st.none() | st.integers(0, 5).map(str) | dirt,
        st.none() | st.none() | st.none() | st.just("a,line"),
    ),
    min_size=150,
    max_size=250,
)

SOUND = ("1", "1", "3")
"""One sound row, so that there are ids to pin."""

Policy = Literal["latest", "mean", "first"]


def rules(policy: Policy) -> QualitySettings:
    return QualitySettings(
        rating_range=(1, 5), drop_ratings=(-1,), duplicates=policy, min_ratings_per_item=2, min_ratings_per_user=2
    )


def outcome(rows: DataFrame) -> Counter[tuple[object, ...]]:
    """The accepted rows, and how many were left out for each reason."""
    found = rows.select("user", "item", "rating", "timestamp", "reason").collect()
    return Counter((None, *row[:4]) if row["reason"] is None else (row["reason"],) for row in found)


@few_jobs
@given(rows=dirty_rows)
def test_every_row_is_accepted_or_quarantined_once(spark: SparkSession, rows: list[tuple[Text, ...]]) -> None:
    classified = judged(as_read(spark, [*rows, SOUND]), rules("latest")).collect()
    quarantined = quality.quarantined_rows(judged(as_read(spark, [*rows, SOUND]), rules("latest"))).collect()

    accepted = [row for row in classified if row["reason"] is None]
    assert len(accepted) + len(quarantined) == len(rows) + 1
    assert {row["reason"] for row in quarantined} <= {*quality.DEFECTS, *quality.POLICIES}
    assert all(1 <= row["rating"] <= 5 for row in accepted)
    assert max(Counter((row["user"], row["item"]) for row in accepted).values(), default=1) == 1
    assert all(row["user"].strip() and row["item"].strip() for row in accepted)


@pytest.mark.parametrize("policy", ["latest", "first", "mean"])
@few_jobs
@given(rows=dirty_rows, seed=st.integers(0, 2**16))
def test_the_order_and_the_partitioning_of_the_rows_change_nothing(
    spark: SparkSession, policy: Policy, rows: list[tuple[Text, ...]], seed: int
) -> None:
    expected = outcome(judged(as_read(spark, [*rows, SOUND]).coalesce(1), rules(policy)))

    for partitions in (3, 7):
        shuffled = random.Random(seed + partitions).sample([*rows, SOUND], len(rows) + 1)
        assert outcome(judged(as_read(spark, shuffled).repartition(partitions), rules(policy))) == expected
