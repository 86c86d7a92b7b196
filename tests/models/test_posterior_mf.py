"""The posterior mean keeps the contract, and what it is compressed to is the mean of its samples."""

from __future__ import annotations

import pytest

from recsys_spark.kernels.arrays import F32, I32
from recsys_spark.models.settings import PosteriorMfSettings
from recsys_spark.training.fitted import Fitted
from tests.contracts.model import WarmModelContract


class TestPosteriorMf(WarmModelContract):
    settings = PosteriorMfSettings(embedding_size=4, columns=6, burn_in=40, samples=20)
    training = {"epochs": 120, "batch_size": 10_000}
    shortest = {"epochs": 50}


class TestPosteriorMfWithSamples(TestPosteriorMf):
    settings = PosteriorMfSettings(embedding_size=3, columns=60, burn_in=40, samples=10, score_std=True)

    def network_scores(self, fitted: Fitted, users: I32, items: I32) -> dict[str, F32]:
        """With as many columns as all samples have, nothing is lost: the samples' mean is the network's output."""
        (main,) = super().network_scores(fitted, users, items).values()
        return {"main": main, "samples": main}


@pytest.mark.parametrize("name", ["columns", "samples", "burn_in"])
def test_nothing_of_it_can_be_zero(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        PosteriorMfSettings(**{name: 0})
