"""From staged lists, one row for each list, to the rows that are published. Narrow: nothing is shuffled."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.run import Run


def top_n_rows(lists: DataFrame, run: Run, model_id: str, generated_at: datetime) -> DataFrame:
    """The rows of `top_n`: one for each item of each list.

    Args:
        lists: staged lists; those of users with the outcome `error` are empty.
        run: gives run_id and as_of.
        model_id: the artefact that made the lists.
        generated_at: when they are published.
    """
    entries = F.posexplode(F.arrays_zip("item_ids", "scores", "score_stds", "predicted_ratings")).alias(
        "place", "entry"
    )
    rows = lists.select("user_id", "variant", "outcome", F.col("reason").alias("made"), entries)
    folded = F.when(F.col("made") == "folded_in", "folded_in").otherwise("model")
    reason = F.when(F.col("outcome") == "cold_fallback", "cold_fallback").otherwise(folded)
    return rows.select(
        "user_id",
        (F.col("place") + 1).cast("int").alias("rank"),
        F.col("entry.item_ids").alias("item_id"),
        F.col("entry.scores").alias("score"),
        reason.alias("reason"),
        F.col("entry.score_stds").alias("score_std"),
        F.col("entry.predicted_ratings").alias("predicted_rating"),
        "variant",
        F.lit(run.run_id).alias("run_id"),
        F.lit(model_id).alias("model_id"),
        F.lit(run.as_of).alias("as_of"),
        F.lit(generated_at).alias("generated_at"),
    )


def outcome_rows(lists: DataFrame, run: Run) -> DataFrame:
    """The rows of `user_outcomes`: one for each user of the run, about the first list."""
    return lists.where(F.col("variant").isNull()).select(
        "user_id",
        "outcome",
        n_items().alias("n_items"),
        "reason",
        F.lit(run.run_id).alias("run_id"),
        F.lit(run.as_of).alias("as_of"),
    )


def top_users_rows(lists: DataFrame, run: Run, model_id: str, generated_at: datetime) -> DataFrame:
    """The rows of `top_users`: one for each user of each item's list.

    Args:
        lists: staged lists, one row for each item; those with a score that is not finite are empty.
        run: gives run_id and as_of.
        model_id: the artefact that made the lists.
        generated_at: when they are published.
    """
    entries = F.posexplode(F.arrays_zip("user_ids", "scores")).alias("place", "entry")
    rows = lists.select("item_id", entries)
    return rows.select(
        "item_id",
        (F.col("place") + 1).cast("int").alias("rank"),
        F.col("entry.user_ids").alias("user_id"),
        F.col("entry.scores").alias("score"),
        F.lit("model").alias("reason"),
        *_signed(run, model_id, generated_at),
    )


def similar_items_rows(lists: DataFrame, measure: str, run: Run, model_id: str, generated_at: datetime) -> DataFrame:
    """The rows of `similar_items`: one for each entry of each item's list; see `top_users_rows`.

    Args:
        lists: staged lists, one row for each item.
        measure: what the scores are.
        run: gives run_id and as_of.
        model_id: the artefact whose items were compared.
        generated_at: when they are published.
    """
    entries = F.posexplode(F.arrays_zip("similar_ids", "scores")).alias("place", "entry")
    rows = lists.select(F.col("item_id").alias("target_item_id"), entries)
    return rows.select(
        "target_item_id",
        (F.col("place") + 1).cast("int").alias("rank"),
        F.col("entry.similar_ids").alias("item_id"),
        F.col("entry.scores").alias("score"),
        F.lit(measure).alias("measure"),
        *_signed(run, model_id, generated_at),
    )


def signed_rows(rows: DataFrame, run: Run, model_id: str, generated_at: datetime) -> DataFrame:
    """Rows with the run that publishes them, the artefact that they come from, and the moment."""
    return rows.select("*", *_signed(run, model_id, generated_at))


def ranked_pair_rows(pairs: DataFrame, run: Run, model_id: str, generated_at: datetime) -> DataFrame:
    """The rows of `ranked_pairs`: those staged, with the run that publishes them; see `top_users_rows`."""
    return signed_rows(pairs, run, model_id, generated_at)


def _signed(run: Run, model_id: str, generated_at: datetime) -> tuple[Column, ...]:
    return (
        F.lit(run.run_id).alias("run_id"),
        F.lit(model_id).alias("model_id"),
        F.lit(run.as_of).alias("as_of"),
        F.lit(generated_at).alias("generated_at"),
    )


def n_items() -> Column:
    """The length of a staged list."""
    return F.size("item_indices").cast("int")
