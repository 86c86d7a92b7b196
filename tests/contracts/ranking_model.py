"""What every model for ranking promises beside what every model does: it is about the order, not about ratings."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from recsys_spark.kernels.arrays import F32, I32
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.warm import Weights
from recsys_spark.training.fitted import Fitted
from tests.contracts.model import HELD_OUT, ITEMS, LIKED, N_ITEMS, N_USERS, USERS, ModelContract, WarmModelContract


class RankingModelContract(ModelContract):
    """The suite."""

    targets: ClassVar[tuple[str, ...]] = ("centred",)
    training: ClassVar[dict[str, Any]] = {
        "objective": "ranking",
        "relevant_at": 4,
        "early_stopping": None,
        "epochs": 40,
        "batch_size": 8,
        "learning_rate": 0.03,
    }

    def network_scores(self, fitted: Fitted, users: I32, items: I32) -> dict[str, F32]:
        """What Keras predicts is the score: there is no rating to scale it to."""
        return {"main": fitted.network.predict({"user": users, "item": items}, verbose=0)[:, 0]}

    @staticmethod
    def first_weights(start: Fitted) -> Weights:
        """All that was learned: a tower is not in the network."""
        return start.learned()

    @staticmethod
    def error_on_held_out(scorer: PairScorer) -> float:
        """The share of pairs of a liked and another field of one user, both held out, that are in the wrong order."""
        scores = scorer.score(USERS, ITEMS).reshape(-1, N_ITEMS)[:N_USERS]
        liked, held_out = (flags.reshape(N_USERS, N_ITEMS) for flags in (LIKED, HELD_OUT))
        wrong = [
            np.mean(mine[here & ~likes][:, None] >= mine[here & likes])
            for mine, likes, here in zip(scores, liked, held_out, strict=True)
            if (here & ~likes).any() and (here & likes).any()
        ]
        return float(np.mean(wrong))


class WarmRankingModelContract(RankingModelContract, WarmModelContract):
    """The suite of those that can start where an earlier fit ended."""
