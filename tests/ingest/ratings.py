"""Small made-up ratings as `read_ratings` gives them, and the judgement of a whole night over them."""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import DataFrame, SparkSession

from recsys_spark.ingest import quality
from recsys_spark.ingest.settings import QualitySettings

Text = str | None

SCHEMA = "user string, item string, rating_text string, timestamp_text string, _malformed string, _origin string"


def as_read(spark: SparkSession, rows: Iterable[tuple[Text, ...]]) -> DataFrame:
    """Rows of user, item, rating, timestamp and the malformed line, as far as given, from one file."""
    return spark.createDataFrame([(*row, *[None] * (5 - len(row)), "file:/ratings.csv") for row in rows], SCHEMA)


def judged(rows: DataFrame, rules: QualitySettings) -> DataFrame:
    """Rows from `as_read` with their final reason, as the ingest of a first night gives it to them."""
    checked = quality.check_rows(rows, rules)
    ids = quality.pin_id_types(checked, {"user": "auto", "item": "auto"})
    assert ids is not None
    classified = quality.resolve_duplicates(quality.check_id_types(checked, ids), rules.duplicates)
    classified = quality.require_ratings(classified, "item", rules.min_ratings_per_item)
    return quality.require_ratings(classified, "user", rules.min_ratings_per_user)
