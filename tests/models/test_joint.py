"""The model `joint`: one order, and ratings beside it."""

from __future__ import annotations

import numpy as np

from recsys_spark.kernels.arrays import F32, I32
from recsys_spark.models.settings import JointSettings
from recsys_spark.training.fitted import Fitted
from tests.contracts.model import HELD_OUT, ITEMS, RATINGS, USERS
from tests.contracts.ranking_model import WarmRankingModelContract


class TestJoint(WarmRankingModelContract):
    settings = JointSettings(embedding_size=4, rating_size=3, rating_l2=0.01)

    def network_scores(self, fitted: Fitted, users: I32, items: I32) -> dict[str, F32]:
        outputs = fitted.network.predict({"user": users, "item": items}, verbose=0)
        main, rating = (outputs[name].astype(np.float64)[:, 0] for name in ("main", "rating"))
        return {"main": main, "rating": rating * fitted.target.scale + fitted.target.offset}

    def test_it_predicts_ratings_that_were_held_out(self, fitted: Fitted) -> None:
        predicted = fitted.scorers()["rating"].score(USERS[HELD_OUT], ITEMS[HELD_OUT])
        error = np.mean((predicted - RATINGS[HELD_OUT]) ** 2)
        error_of_the_mean = np.mean((RATINGS[~HELD_OUT].mean() - RATINGS[HELD_OUT]) ** 2)
        assert error < 0.25 * error_of_the_mean
