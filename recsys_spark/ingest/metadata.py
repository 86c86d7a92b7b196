"""The items' and the users' tables: titles, attributes, and who is eligible."""

from __future__ import annotations

from typing import Literal

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.ingest.quality import is_id
from recsys_spark.ingest.settings import MetadataSource
from recsys_spark.ingest.sources import column_of, open_table
from recsys_spark.schemas import IdName


def read_metadata(spark: SparkSession, source: MetadataSource, side: Literal["item", "user"]) -> DataFrame:
    """One row for each id of a metadata table.

    Args:
        spark: the session.
        source: the settings; `path` is set.
        side: which key of `columns` holds the id.

    Returns:
        `id` text (never blank), `title` text or null, `attributes` map<string, string>. Where an id stands in several
        rows, the row that sorts last counts (one with a title before one without).
    """
    section = f"{side}s"
    table = open_table(spark, source, section)
    columns = {name: column_of(table, ref, f"{section}.columns.{name}") for name, ref in source.columns.items()}
    kept = [name for name in columns if name not in (side, "title")]
    chosen = table.where(F.col("_malformed").isNull()).select(
        columns[side].alias("id"),
        columns.get("title", F.lit(None).cast("string")).alias("title"),
        *(columns[name].alias(f"attribute_{name}") for name in kept),
    )
    fields = F.struct("title", *(f"attribute_{name}" for name in kept))
    one_each = chosen.where(is_id("id", "string")).groupBy("id").agg(F.max(fields).alias("row"))
    entries = [x for name in kept for x in (F.lit(name), F.col(f"row.attribute_{name}"))]
    attributes = F.create_map(*entries) if entries else F.create_map().cast("map<string,string>")
    return one_each.select("id", F.col("row.title").alias("title"), attributes.alias("attributes"))


def of_type(metadata: DataFrame, kind: IdName) -> DataFrame:
    """The rows whose id is of the pinned type."""
    return metadata.where(is_id("id", kind))


def no_metadata(spark: SparkSession) -> DataFrame:
    """What `read_metadata` gives where there is no table: no rows."""
    return spark.range(0).selectExpr(
        "cast(null as string) as id", "cast(null as string) as title", "cast(null as map<string,string>) as attributes"
    )
