"""Given pairs, ranked within each user: nothing is left out, since whoever asks has chosen the candidates."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recsys_spark.kernels.arrays import Flags
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.scoring.all_pairs import COLD_FALLBACK, MODEL, NOT_FINITE
from recsys_spark.scoring.flags import with_flag
from recsys_spark.scoring.pairs import score_pairs

UNKNOWN_USER, UNKNOWN_ITEM, UNTRAINED_ITEM = "unknown_user", "unknown_item", "untrained_item"
"""Why a pair has no score, beside `NOT_FINITE`: an id without an index, or a vector that was never trained."""

WITH_SCORE = (MODEL, COLD_FALLBACK)
"""Where the score of a pair may come from."""


@dataclass(frozen=True, eq=False)
class RankingPlan:
    """What pairs are scored by.

    Args:
        scorer: the model.
        fallback: scores the items of users without a trained vector.
        user_has_vector: bool[n_users], whether the model knows the user.
        item_has_vector: bool[n_items], whether the model knows the item.
    """

    scorer: PairScorer
    fallback: PairScorer
    user_has_vector: Flags
    item_has_vector: Flags


def rank_pairs(pairs: DataFrame, users: DataFrame, items: DataFrame, plan: RankingPlan) -> DataFrame:
    """Rank the items of each user.

    Pairs are shuffled once by item and twice by user: behind a Python function Spark no longer knows its partitions.

    Args:
        pairs: `user_id`, `item_id`, none null; repetition counts once.
        users: `user_id`, `user_index` of every known user.
        items: `item_id`, `item_index` of every known item.
        plan: model and fallback.

    Returns:
        One row for each distinct pair: `user_id`, `item_id`, `rank` (1 is best; by the unclipped score, then by the
        item's index), `score` (clipped if the scorer clips), `reason`. Rank and score are null if the reason is not one
        of `WITH_SCORE`.
    """
    by_user = with_flag(users.select("user_id", "user_index"), "_user", plan.user_has_vector, index="user_index")
    by_item = with_flag(items.select("item_id", "item_index"), "_item", plan.item_has_vector, index="item_index")
    known = (
        pairs.select("user_id", "item_id")
        .join(by_item, on="item_id", how="left")
        .repartition("user_id")  # serves the join and the repetitions
        .join(by_user, on="user_id", how="left")
        .dropDuplicates(["user_id", "item_id"])
        .withColumn("_by", _whose_score())
    )
    scored = _scored(known, plan)
    in_order = Window.partitionBy("user_id").orderBy(F.col("_score").desc_nulls_last(), "item_index")
    has_score = F.col("_score").isNotNull()
    not_finite = F.col("_by").isin(*WITH_SCORE) & ~has_score
    return scored.select(
        "user_id",
        "item_id",
        F.when(has_score, F.row_number().over(in_order)).cast("int").alias("rank"),
        F.when(F.col("_by") == MODEL, _clipped("_score", plan.scorer))
        .otherwise(_clipped("_score", plan.fallback))
        .alias("score"),
        F.when(not_finite, NOT_FINITE).otherwise(F.col("_by")).alias("reason"),
    )


def _whose_score() -> Column:
    return (
        F.when(F.col("user_index").isNull(), UNKNOWN_USER)
        .when(F.col("item_index").isNull(), UNKNOWN_ITEM)
        .when(~F.col("_item"), UNTRAINED_ITEM)
        .when(~F.col("_user"), COLD_FALLBACK)
        .otherwise(MODEL)
    )


def _scored(known: DataFrame, plan: RankingPlan) -> DataFrame:
    """Add `_score`, unclipped; null where there is none or it is not finite."""
    # what is unknown is scored as if it were the first, and its score forgotten: every row goes one way
    indices = {name: F.coalesce(name, F.lit(0)) for name in ("user_index", "item_index")}
    found = score_pairs(
        known.withColumns(indices),
        {f"_{MODEL}": replace(plan.scorer, clip=None), f"_{COLD_FALLBACK}": replace(plan.fallback, clip=None)},
    )
    score = F.coalesce(*(F.when(F.col("_by") == by, F.col(f"_{by}")) for by in WITH_SCORE))
    return found.withColumn("_score", F.when(~F.isnan(score) & (F.abs(score) != float("inf")), score))


def _clipped(name: str, scorer: PairScorer) -> Column:
    if scorer.clip is None:
        return F.col(name)
    low, high = (F.lit(bound).cast("float") for bound in scorer.clip)
    return F.when(F.col(name).isNotNull(), F.greatest(low, F.least(high, name)))
