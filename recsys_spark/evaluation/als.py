"""The baselines `als` and `als_implicit`: pyspark's own alternating least squares, as pair scorers."""

from __future__ import annotations

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.evaluation.settings import AlsSettings, ImplicitAlsSettings
from recsys_spark.kernels.arrays import F32
from recsys_spark.kernels.scorer import PairScorer


def fit_als(
    ratings: DataFrame, settings: AlsSettings, *, n_users: int, n_items: int, mean: float, seed: int
) -> PairScorer:
    """Fit ALS to ratings as they come, neither centred nor scaled.

    With x_u and y_i the factors, regularised by the number of ratings (Zhou, Wilkinson, Schreiber, Pan: Large-scale
    Parallel Collaborative Filtering for the Netflix Prize, 2008), and m the mean,

        score(u, i) = x_u . y_i    if u and i both have a rating among the rows
                      m            else

    ALS has no opinion there, and the mean is what a sensible person would say. As one dot product: users and items that
    are known have a further column, 1 and -m, the others only zeros, and the offset is m. So a known pair's score is
    rounded twice more than ALS' own prediction.

    Args:
        ratings: the rows to fit: `user_index`, `item_index`, `rating`.
        settings: rank, regularisation, iterations.
        n_users: how many indices there are, rated or not.
        n_items: likewise.
        mean: of the rows.
        seed: of the first factors. Spark's partitions have a part in them too.

    Returns:
        The scorer. The factors come to the driver through Arrow: 4 bytes x (rank + 1) for each user and item.
    """
    # takes longer to import than all else here, and few runs ask for it
    from pyspark.ml.recommendation import ALS

    als = ALS(
        rank=settings.rank,
        regParam=settings.regularisation,
        maxIter=settings.iterations,
        seed=seed,
        userCol="user_index",
        itemCol="item_index",
        ratingCol="rating",
    )
    model = als.fit(ratings.select("user_index", "item_index", "rating"))
    return PairScorer(
        user=_columns(model.userFactors, n_users, settings.rank, known=1.0),
        item=_columns(model.itemFactors, n_items, settings.rank, known=-mean),
        offset=mean,
    )


def fit_implicit_als(
    liked: DataFrame, settings: ImplicitAlsSettings, *, n_users: int, n_items: int, seed: int
) -> PairScorer:
    """Fit ALS for implicit feedback: every pair counts, those liked as 1 with a higher confidence, others as 0.

    Hu, Koren, Volinsky: Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008. score(u, i) = x_u . y_i.

    Args:
        liked: `user_index`, `item_index`.
        settings: rank, regularisation, confidence, iterations.
        n_users: how many indices there are; those without a row get zeros.
        n_items: likewise.
        seed: of the first factors. Spark's partitions have a part in them too.
    """
    from pyspark.ml.recommendation import ALS

    als = ALS(
        rank=settings.rank,
        regParam=settings.regularisation,
        maxIter=settings.iterations,
        implicitPrefs=True,
        alpha=settings.alpha,
        seed=seed,
        userCol="user_index",
        itemCol="item_index",
        ratingCol="liked",
    )
    model = als.fit(liked.select("user_index", "item_index", F.lit(1.0).alias("liked")))
    return PairScorer(
        user=_columns(model.userFactors, n_users, settings.rank, known=0.0)[:, : settings.rank].copy(),
        item=_columns(model.itemFactors, n_items, settings.rank, known=0.0)[:, : settings.rank].copy(),
    )


def _columns(factors: DataFrame, n: int, rank: int, *, known: float) -> F32:
    """f32[n, rank + 1]: factors, and a column that tells who has some; the driver holds them twice for a moment."""
    table = factors.select("id", "features").toArrow()
    rows = table.column("id").to_numpy()
    columns = np.zeros((n, rank + 1), np.float32)
    columns[rows, :rank] = table.column("features").combine_chunks().flatten().to_numpy().reshape(len(rows), rank)
    columns[rows, rank] = known
    return columns
