"""The dot model keeps the contract, and its biases and penalties are where they belong."""

from __future__ import annotations

import numpy as np

from recsys_spark.models.dot import Dot
from recsys_spark.models.settings import DotSettings
from recsys_spark.models.sides import Sides
from tests.contracts.model import N_ITEMS, N_USERS, WarmModelContract


class TestDot(WarmModelContract):
    settings = DotSettings(embedding_size=4, l2=0.001)


class TestDotWithoutBiases(WarmModelContract):
    settings = DotSettings(embedding_size=4, biases=False)


class TestDotWithFeatures(WarmModelContract):
    settings = DotSettings(embedding_size=4)

    @classmethod
    def sides(cls, n_users: int = N_USERS, n_items: int = N_ITEMS) -> Sides:
        parity = (np.arange(n_items) % 2).astype(np.float32)
        return Sides(n_users, n_items, item_features=np.stack([parity, 1 - parity], axis=1))


def test_a_new_item_with_features_is_scored_by_them_before_it_has_a_rating() -> None:
    parity = (np.arange(N_ITEMS + 2) % 2).astype(np.float32)
    sides = Sides(N_USERS, N_ITEMS + 2, item_features=np.stack([parity, 1 - parity], axis=1))
    scorer = TestDotWithFeatures.fit(sides).scorers()["main"]
    users = np.arange(N_USERS, dtype=np.int32)
    # the even newcomer is liked by even users, the odd one by odd users, as are all items that have ratings
    for newcomer in (N_ITEMS, N_ITEMS + 1):
        scores = scorer.score(users, np.full(N_USERS, newcomer, np.int32))
        liked = users % 2 == newcomer % 2
        assert scores[liked].min() > scores[~liked].max()


def test_a_model_without_biases_exports_none() -> None:
    model = Dot(DotSettings(embedding_size=2, biases=False))
    scorer = model.export(model.build(Sides(2, 3)), scale=1.0, offset=0.0, clip=None)["main"]
    assert scorer.user_bias is None
    assert scorer.item_bias is None


def test_fresh_biases_are_zero_and_fresh_vectors_are_small_and_different() -> None:
    model = Dot(DotSettings(embedding_size=50))
    scorer = model.export(model.build(Sides(40, 40)), scale=1.0, offset=0.0, clip=None)["main"]
    assert scorer.user_bias is not None
    assert scorer.item_bias is not None
    assert not scorer.user_bias.any()
    assert not scorer.item_bias.any()
    for vectors in (scorer.user, scorer.item):
        assert 0.09 < vectors.std() < 0.11
    assert (scorer.user != scorer.item).any()


def test_the_penalty_is_on_the_rows_looked_up_as_a_mean_over_the_batch() -> None:
    network = Dot(DotSettings(embedding_size=3, l2=0.5, biases=False)).build(Sides(10, 10))
    users, items = np.array([1, 2, 2], np.int32), np.array([0, 5, 9], np.int32)
    network({"user": users, "item": items})
    vectors = [network.get_layer(f"{side}_embedding").get_weights()[0] for side in ("user", "item")]
    expected = 0.5 * (np.sum(vectors[0][users] ** 2) + np.sum(vectors[1][items] ** 2)) / 3
    np.testing.assert_allclose(sum(float(loss) for loss in network.losses), expected, rtol=1e-5)
