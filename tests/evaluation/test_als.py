"""The baseline `als` predicts what pyspark's own model predicts, and the mean where that has no opinion."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.ml.recommendation import ALS
from pyspark.sql import SparkSession

from recsys_spark.evaluation.als import fit_als
from recsys_spark.evaluation.settings import AlsSettings
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
