"""Last night's mean in tonight's: by shares of ratings, none for whoever is new, the same in columns as in words."""

from __future__ import annotations

import numpy as np
import pytest

from recsys_spark.kernels.arrays import F32
from recsys_spark.models.warm import Weights
from recsys_spark.training.earlier_mean import EarlierMean, memory
from recsys_spark.training.rows import TrainingRows
from recsys_spark.training.target import TargetScaling

BEFORE, NOW = (3, 4), (4, 5)
"""Users and items on the night before, and tonight."""

OLD_TARGET, TARGET = TargetScaling(offset=3.0, scale=2.0), TargetScaling(offset=3.5, scale=1.0)


def rows(*pairs: tuple[int, int]) -> TrainingRows:
    user, item = (np.array(column, np.int32) for column in zip(*pairs, strict=True))
    return TrainingRows(user, item, np.ones(len(pairs), np.float32), np.zeros(len(pairs), np.uint8))


OLD_ROWS = rows((0, 0), (0, 1), (1, 1), (2, 2), (2, 3))
ROWS = rows((0, 0), (0, 1), (1, 1), (1, 2), (1, 4), (1, 0), (3, 2), (3, 4))
"""User 0 has no new rating, user 1 has three, user 2 has gone, user 3 is new; item 3 has gone, item 4 is new."""


def table(seed: int, *shape: int) -> F32:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture
def old() -> Weights:
    tables = {
        "user_embedding.0": table(1, BEFORE[0], 2),
        "item_embedding.0": table(2, BEFORE[1], 2),
        "user_bias.0": table(3, BEFORE[0], 1),
        "item_bias.0": table(4, BEFORE[1], 1),
    }
    return tables | dict(memory(OLD_ROWS, OLD_TARGET, n_users=BEFORE[0], n_items=BEFORE[1]))


@pytest.fixture
def earlier(old: Weights) -> EarlierMean:
    return EarlierMean.of(old, ROWS, TARGET, sizes=NOW, carried=0.5)


def test_the_shares_are_those_of_the_ratings_that_were_there_then(earlier: EarlierMean) -> None:
    np.testing.assert_allclose(earlier.user_weight, [0.5, 0.5 / 4, 0, 0])
    # item 0 was rated once and is rated twice, item 1 as often as then
    np.testing.assert_allclose(earlier.item_share, [1 / 2, 1, 1 / 2, 0, 0])


def test_it_says_in_rating_units_what_it_said_then(old: Weights, earlier: EarlierMean) -> None:
    known = rows((0, 1), (1, 2))
    then = np.einsum("nk,nk->n", old["user_embedding.0"][known.user], old["item_embedding.0"][known.item])
    then = then + old["user_bias.0"][known.user, 0] + old["item_bias.0"][known.item, 0]
    now = np.zeros(2, np.float32)
    weight = np.array([0.5 * 1, 0.5 / 4 * 1 / 2])

    mixed = TARGET.inverse(earlier.mixed(now, known))

    np.testing.assert_allclose(mixed, (1 - weight) * TARGET.offset + weight * OLD_TARGET.inverse(then), rtol=1e-5)


def test_whoever_is_new_or_has_gone_gets_what_tonight_says(earlier: EarlierMean) -> None:
    others = rows((3, 0), (3, 4), (2, 1), (0, 4), (0, 3))
    tonight = table(5, len(others.user))
    np.testing.assert_array_equal(earlier.mixed(tonight, others), tonight)


def test_the_columns_and_biases_give_the_formula(earlier: EarlierMean) -> None:
    user, item, user_bias, item_bias = table(6, NOW[0], 3), table(7, NOW[1], 3), table(8, NOW[0]), table(9, NOW[1])
    wide_user, wide_item = earlier.factors(user, item)
    weight = earlier.user_weight[:, None] * earlier.item_share[None, :]

    product, then = user @ item.T, earlier.user @ earlier.item.T
    np.testing.assert_allclose(wide_user @ wide_item.T, product + weight * (then - product), rtol=1e-4, atol=1e-5)
    assert wide_user.dtype == wide_item.dtype == np.float32

    of_users, of_items = earlier.biases(user_bias, item_bias)
    np.testing.assert_allclose(of_users[0], (user_bias[0] + earlier.user_bias[0]) / 2, rtol=1e-5)
    np.testing.assert_array_equal(of_users[2:], user_bias[2:])
    np.testing.assert_allclose(of_items[1], (item_bias[1] + earlier.item_bias[1]) / 2, rtol=1e-5)
    np.testing.assert_array_equal(of_items[3:], item_bias[3:])


def test_weights_of_another_kind_of_fit_are_none(old: Weights) -> None:
    assert EarlierMean.is_in(old)
    assert not EarlierMean.is_in({name: array for name, array in old.items() if name.endswith(".0")})
