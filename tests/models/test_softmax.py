"""The model `softmax`, with and without drawn items."""

from __future__ import annotations

import numpy as np
import pytest

from recsys_spark.errors import DataError
from recsys_spark.kernels.folding import history_vectors
from recsys_spark.models.settings import SoftmaxSettings
from recsys_spark.models.softmax import HISTORY
from recsys_spark.training.likes import likes_of
from tests.contracts.model import HELD_OUT, N_ITEMS, N_USERS, rows_where
from tests.contracts.ranking_model import WarmRankingModelContract


class TestSoftmax(WarmRankingModelContract):
    settings = SoftmaxSettings(embedding_size=4, dropout=0.3)

    def test_a_warm_start_from_a_network_of_more_users_is_refused(self) -> None:
        # users have no vectors of their own, so only items can be too many
        larger = self.fit(self.sides(N_USERS, N_ITEMS + 1), **self.shortest)
        with pytest.raises(DataError, match="warm start, layer item_"):
            self.fit(start=larger, **self.shortest)

    def test_a_users_vector_follows_from_the_liked_items(self) -> None:
        fitted = self.fit()
        history = fitted.learned()[f"{HISTORY}.0"]
        likes = likes_of(rows_where(~HELD_OUT), at=4, n_users=N_USERS, n_items=N_ITEMS)
        user = fitted.scorers()["main"].user
        for index in range(N_USERS):
            liked = likes.items[likes.offsets[index] : likes.offsets[index + 1]]
            expected = history[liked].sum(axis=0) / np.sqrt(len(liked))
            np.testing.assert_allclose(user[index], expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(user, history_vectors(history, likes.offsets, likes.items))


class Sampled(WarmRankingModelContract):
    settings = SoftmaxSettings(embedding_size=4, dropout=0.3, negatives=20)


def test_with_drawn_items_it_learns_the_order_and_the_same_seed_draws_the_same() -> None:
    fitted, again = Sampled.fit(), Sampled.fit()
    assert Sampled.error_on_held_out(fitted.scorers()["main"]) < 0.1
    np.testing.assert_array_equal(fitted.scorers()["main"].user, again.scorers()["main"].user)
