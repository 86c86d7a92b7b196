"""A small night whose figures a reader can see, and the run before it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pyspark.sql import DataFrame, SparkSession

from recsys_spark.publishing.examples import Evidence
from recsys_spark.publishing.last_run import LastRun
from recsys_spark.publishing.settings import AuditSettings, Shares, Thresholds

END = datetime(2024, 3, 1, tzinfo=UTC)

STRICT = AuditSettings(
    min_ok_share=Shares(error=0.9),
    max_failed_share=Shares(error=0.1),
    max_empty_share=Shares(error=0.1),
    max_lost_share=Shares(error=0.1),
    max_score_excess=Thresholds(error=0.25),
    min_item_coverage=Shares(error=0.9),
    max_same_item_share=Shares(error=0.7),
    min_overlap=Shares(error=0.9),
    max_mean_score_shift=Thresholds(error=0.2),
    max_worse_than_baseline=Thresholds(error=0),
    max_worse_than_last_run=Thresholds(error=0.1),
    max_source_age=Thresholds(error=1),
    max_quarantined_share=Shares(error=0.1),
)

List = tuple[str, str, str, list[int], list[float]]


def by_model(user: str, items: list[int], scores: tuple[float, ...] = (4.0, 3.0)) -> List:
    return (user, "ok", "model" if items else "nothing_left", items, list(scores[: len(items)]))


SOUND = [by_model("a", [1, 2]), by_model("b", [2, 3]), by_model("c", [3, 4]), by_model("d", [4, 1])]


def lists(spark: SparkSession, rows: list[List]) -> DataFrame:
    schema = "user_id string, outcome string, reason string, item_ids array<bigint>, scores array<float>"
    return spark.createDataFrame(rows, schema).coalesce(1)


def last_run(spark: SparkSession, users: str = "abcd", *, lower_by: float = 0.0) -> LastRun:
    """The sound lists, and a further list of the first user, which must not count."""
    rows = [
        (user, item, score - lower_by, "model", None)
        for user, _, _, items, scores in SOUND
        for item, score in zip(items, scores, strict=True)
    ]
    rows += [("a", 99, 1000.0, "model", "new"), ("a", 98, 1000.0, "model", "new")]
    top_n = spark.createDataFrame(rows, "user_id string, item_id bigint, score float, reason string, variant string")
    outcomes = spark.createDataFrame([(user,) for user in users], "user_id string")
    return LastRun("run-1", top_n.coalesce(1), outcomes.coalesce(1), None)


def items(spark: SparkSession, *others: int) -> DataFrame:
    """The four items of the sound lists, and others."""
    rows = [(item, 10 * item) for item in (1, 2, 3, 4, *others)]
    return spark.createDataFrame(rows, "item_id bigint, n_ratings bigint").coalesce(1)


def sound_night(spark: SparkSession) -> Evidence:
    """Four users, four items, the newest rating half a day old; one rating has a date that is still to come."""
    ratings = [("a", 1, 1.0, END - timedelta(hours=12)), ("b", 2, 5.0, END - timedelta(days=9)), ("b", 3, 3.0, None)]
    ratings.append(("c", 3, 4.0, END + timedelta(days=9000)))
    schema = "user_id string, item_id bigint, rating float, timestamp timestamp"
    refused = [("x::y", "malformed_row", "defect", "ratings.txt")]
    return Evidence(
        lists=lists(spark, SOUND),
        ratings=spark.createDataFrame(ratings, schema).coalesce(1),
        items=items(spark),
        quarantine=spark.createDataFrame(refused, "raw string, reason string, class string, origin string").coalesce(1),
        end=END,
        last=last_run(spark),
    )
