"""The dot model keeps the contract, and its biases and penalties are where they belong."""

from __future__ import annotations

import numpy as np

from recsys_spark.models.dot import Dot
from recsys_spark.models.settings import DotSettings
from tests.contracts.model import ModelContract


class TestDot(ModelContract):
    settings = DotSettings(embedding_size=4, l2=0.001)


class TestDotWithoutBiases(ModelContract):
    settings = DotSettings(embedding_size=4, biases=False)


def test_a_model_without_biases_exports_none() -> None:
    model = Dot(DotSettings(embedding_size=2, biases=False))
    scorer = model.export(model.build(n_users=2, n_items=3), scale=1.0, offset=0.0, clip=None)["main"]
    assert scorer.user_bias is None
    assert scorer.item_bias is None


def test_fresh_biases_are_zero_and_fresh_vectors_are_small_and_different() -> None:
    model = Dot(DotSettings(embedding_size=50))
    scorer = model.export(model.build(n_users=40, n_items=40), scale=1.0, offset=0.0, clip=None)["main"]
    assert scorer.user_bias is not None
    assert scorer.item_bias is not None
    assert not scorer.user_bias.any()
    assert not scorer.item_bias.any()
    for vectors in (scorer.user, scorer.item):
        assert 0.09 < vectors.std() < 0.11
    assert (scorer.user != scorer.item).any()


def test_the_penalty_is_on_the_rows_looked_up_as_a_mean_over_the_batch() -> None:
    network = Dot(DotSettings(embedding_size=3, l2=0.5, biases=False)).build(n_users=10, n_items=10)
    users, items = np.array([1, 2, 2], np.int32), np.array([0, 5, 9], np.int32)
    network({"user": users, "item": items})
    vectors = [network.get_layer(f"{side}_embedding").get_weights()[0] for side in ("user", "item")]
    expected = 0.5 * (np.sum(vectors[0][users] ** 2) + np.sum(vectors[1][items] ** 2)) / 3
    np.testing.assert_allclose(sum(float(loss) for loss in network.losses), expected, rtol=1e-5)
