"""The baselines `als` predict what pyspark's own models predict; the mean, or 0, where those have no opinion."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.ml.recommendation import ALS
from pyspark.sql import SparkSession

from recsys_spark.evaluation.als import fit_als, fit_implicit_als
from recsys_spark.evaluation.settings import AlsSettings, ImplicitAlsSettings
from tests.evaluation.ratings import N_ITEMS, N_USERS, in_spark, some_ratings

ROWS = some_ratings()
MEAN = 3.25


def test_known_pairs_get_pysparks_prediction_and_the_others_the_mean(spark: SparkSession) -> None:
    fitted = in_spark(spark, ROWS[ROWS.part != "test"]).cache()
    scorer = fit_als(
        fitted,
        AlsSettings(rank=4, regularisation=0.2, iterations=3),
        n_users=N_USERS,
        n_items=N_ITEMS,
        mean=MEAN,
        seed=9,
    )
    columns = {"userCol": "user_index", "itemCol": "item_index", "ratingCol": "rating"}
    model = ALS(rank=4, regParam=0.2, maxIter=3, seed=9, **columns).fit(fitted)
    users, items = (np.ravel(index).astype(np.int32) for index in np.mgrid[:N_USERS, :N_ITEMS])
    pairs = spark.createDataFrame(
        list(zip(users.tolist(), items.tolist(), strict=True)), "user_index int, item_index int"
    )
    rows = model.transform(pairs).orderBy("user_index", "item_index").collect()
    expected = np.array([row["prediction"] for row in rows])

    found = scorer.score(users, items)

    known = ~np.isnan(expected)
    assert 0 < known.sum() < len(known)
    np.testing.assert_allclose(found[known], expected[known], atol=1e-5)
    assert (found[~known] == np.float32(MEAN)).all()
    assert expected[known].std() > 0.1


def test_the_defaults_are_pysparks_own() -> None:
    als, ours = ALS(), AlsSettings()

    assert (ours.rank, ours.iterations) == (als.getRank(), als.getMaxIter())
    assert ours.regularisation == pytest.approx(als.getRegParam())


def test_implicit_pairs_get_pysparks_prediction_and_the_unknown_zero(spark: SparkSession) -> None:
    liked = in_spark(spark, ROWS[ROWS.rating >= 4]).cache()
    settings = ImplicitAlsSettings(rank=4, regularisation=0.05, alpha=8, iterations=3)
    scorer = fit_implicit_als(liked, settings, n_users=N_USERS, n_items=N_ITEMS, seed=9)
    columns = {"userCol": "user_index", "itemCol": "item_index", "ratingCol": "one"}
    als = ALS(rank=4, regParam=0.05, maxIter=3, seed=9, implicitPrefs=True, alpha=8, **columns)
    model = als.fit(liked.selectExpr("user_index", "item_index", "1.0 AS one"))
    known = liked.select("user_index", "item_index").collect()
    rows = model.transform(spark.createDataFrame(known)).collect()

    users, items = (np.array([row[name] for row in rows], np.int32) for name in ("user_index", "item_index"))
    expected = np.array([row["prediction"] for row in rows])
    np.testing.assert_allclose(scorer.score(users, items), expected, atol=1e-5)
    assert expected.std() > 0.1
    # the last user and item have no rows
    assert scorer.score(np.array([N_USERS - 1], np.int32), np.array([0], np.int32)).tolist() == [0]
    assert scorer.user.shape == (N_USERS, 4)
