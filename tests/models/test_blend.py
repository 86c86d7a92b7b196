"""The model `blend`: parts of unlike scale in one dot product."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.blend import folded
from recsys_spark.models.settings import BlendPart, BlendSettings, BprSettings, IalsSettings
from tests.contracts.ranking_model import RankingModelContract


class TestBlend(RankingModelContract):
    settings: ClassVar[BlendSettings] = BlendSettings(
        parts=(
            BlendPart(model=IalsSettings(embedding_size=4)),
            BlendPart(model=BprSettings(embedding_size=3), weight=0.5, epochs=30),
        )
    )

    def test_its_epochs_and_their_history_are_those_of_all_parts(self) -> None:
        fitted = self.fit()
        assert fitted.epochs == 70
        assert [result.epoch for result in fitted.history] == list(range(1, 71))


@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    biased=st.booleans(),
    scale=st.floats(1e-3, 1e3),
)
def test_each_part_is_standardised_user_by_user(seed: int, sizes: list[int], biased: bool, scale: float) -> None:
    random = np.random.default_rng(seed)
    n_users, n_items = 6, 9
    parts = [
        PairScorer(
            user=(scale * random.normal(size=(n_users, k))).astype(np.float32),
            item=random.normal(size=(n_items, k)).astype(np.float32),
            item_bias=random.normal(size=n_items).astype(np.float32) if biased else None,
        )
        for k in sizes
    ]
    weights = [1.0 + number for number in range(len(parts))]
    among = np.ones(n_items, np.float32)
    among[0] = 0
    user, item = folded(parts, weights, among)
    expected = np.zeros((n_users, n_items))
    for part, weight in zip(parts, weights, strict=True):
        scores = part.user.astype(np.float64) @ part.item.T
        scores += 0 if part.item_bias is None else part.item_bias
        expected += weight * scores / scores[:, 1:].std(axis=1, keepdims=True)
    np.testing.assert_allclose(user.astype(np.float64) @ item.T, expected, rtol=1e-3, atol=1e-3)


def test_a_user_whose_scores_are_all_the_same_gets_nothing_from_a_part() -> None:
    flat = PairScorer(user=np.ones((2, 1), np.float32), item=np.ones((3, 1), np.float32))
    user, _ = folded([flat], [1.0], np.ones(3, np.float32))
    np.testing.assert_array_equal(user, np.zeros((2, 1), np.float32))
