"""The classifier keeps the contract; its score is the level to be expected."""

from __future__ import annotations

import numpy as np
import pytest

from recsys_spark.models.classifier import Classifier
from recsys_spark.models.settings import ClassifierSettings
from recsys_spark.models.sides import Sides
from tests.contracts.model import N_ITEMS, N_USERS, WarmModelContract

PAIRS = {"user": np.arange(6, dtype=np.int32), "item": np.arange(6, dtype=np.int32)}


class TestClassifier(WarmModelContract):
    settings = ClassifierSettings(embedding_size=8, layers=(32,), levels=(1, 2, 3, 4, 5))
    targets = ("centred",)


class TestClassifierWithFeatures(TestClassifier):
    settings = ClassifierSettings(
        embedding_size=8, embedding_dropout=0.1, layers=(32, 16), dropout=(0, 0.1, 0.1), levels=(1, 2, 3, 4, 5)
    )

    @classmethod
    def sides(cls, n_users: int = N_USERS, n_items: int = N_ITEMS) -> Sides:
        features = np.random.default_rng(4).random((n_items, 3), dtype=np.float32)
        return Sides(n_users, n_items, item_features=features)


def test_the_output_is_a_probability_for_each_level() -> None:
    network = Classifier(ClassifierSettings(levels=(0.5, 1, 5))).build(Sides(6, 6))
    probabilities = network.predict(PAIRS, verbose=0)
    assert probabilities.shape == (6, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)


def test_the_score_lies_between_the_lowest_and_the_highest_level() -> None:
    model = Classifier(ClassifierSettings(levels=(2, 7)))
    scorer = model.export(model.build(Sides(6, 6)), scale=1.0, offset=0.0, clip=None)["main"]
    scores = scorer.score(PAIRS["user"], PAIRS["item"])
    assert ((scores > 2) & (scores < 7)).all()


@pytest.mark.parametrize("levels", [(3, 2, 1), (1, 1, 2)])
def test_levels_that_do_not_ascend_are_refused(levels: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="ascending"):
        ClassifierSettings(levels=levels)
