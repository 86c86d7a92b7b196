"""Samples, their mean and its compression: what is published is the mean of what was drawn, and measured as such."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recsys_spark.kernels.arrays import F32
from recsys_spark.models.registry import model_for
from recsys_spark.models.settings import PosteriorMfSettings
from recsys_spark.training.fit import Trainer, load_keras
from recsys_spark.training.fitted import Fitted
from recsys_spark.training.settings import TrainingSettings
from recsys_spark.training.target import TargetScaling
from tests.training.test_fit import N_ITEMS, N_USERS, ROWS, VALIDATION, sides_of

if TYPE_CHECKING:
    from recsys_spark.training.posterior import Sample

COLUMNS = 3
"""Of a sample."""


@pytest.fixture(scope="module")
def posterior() -> Any:
    """The module, which cannot be imported before Keras."""
    load_keras()
    from recsys_spark.training import posterior

    return posterior


def samples(n: int, *, n_users: int = 12, n_items: int = 17, seed: int = 1) -> list[Sample]:
    from recsys_spark.training.posterior import Sample

    random = np.random.default_rng(seed)

    def table(*shape: int) -> F32:
        return random.normal(size=shape).astype(np.float32)

    return [Sample(table(n_users, COLUMNS), table(n_items, COLUMNS), table(n_users), table(n_items)) for _ in range(n)]


def mean_of_products(drawn: list[Sample]) -> F32:
    """The dense matrix f32[n_users, n_items] that `compressed` stands for."""
    products: F32 = np.mean([sample.user @ sample.item.T for sample in drawn], axis=0)
    return products


class TestSampleEpochs:
    @given(burn_in=st.integers(1, 3000), after=st.integers(2, 3000), wanted=st.integers(2, 500))
    @example(burn_in=100, after=200, wanted=40)
    def test_they_ascend_evenly_from_the_end_of_burn_in_to_the_last_epoch(
        self, posterior: Any, burn_in: int, after: int, wanted: int
    ) -> None:
        epochs = posterior.sample_epochs(burn_in + after, burn_in, wanted)
        assert len(epochs) == min(wanted, after)
        assert epochs[-1] == burn_in + after
        gaps = np.diff([burn_in, *epochs])
        assert gaps.min() >= 1
        assert gaps.max() - gaps.min() <= 1

    def test_where_there_are_fewer_epochs_than_samples_each_one_gives_a_sample(self, posterior: Any) -> None:
        assert posterior.sample_epochs(7, 4, 40) == (5, 6, 7)


class TestCompressed:
    @pytest.mark.parametrize(("n", "columns"), [(1, 3), (2, 6), (3, 9), (5, 12), (5, 15)])
    def test_nothing_is_lost_where_columns_suffice(self, posterior: Any, n: int, columns: int) -> None:
        # 5 samples have 15 columns, but a matrix of 12 users has no rank above 12
        drawn = samples(n)
        user, item = posterior.compressed(drawn, columns)
        assert (user.shape, item.shape) == ((12, columns), (17, columns))
        assert user.dtype == item.dtype == np.float32
        np.testing.assert_allclose(user @ item.T, mean_of_products(drawn), atol=1e-5)

    @pytest.mark.parametrize("columns", [1, 4, 8])
    def test_in_fewer_columns_it_is_the_best_approximation_that_there_is(self, posterior: Any, columns: int) -> None:
        drawn = samples(5)
        left, singular, right = np.linalg.svd(mean_of_products(drawn), full_matrices=False)
        best = (left[:, :columns] * singular[:columns]) @ right[:columns]
        assert singular[columns] > 0.1
        user, item = posterior.compressed(drawn, columns)
        np.testing.assert_allclose(user @ item.T, best, atol=1e-5)

    def test_both_sides_have_columns_of_the_same_length_those_that_matter_most_first(self, posterior: Any) -> None:
        user, item = posterior.compressed(samples(3), 9)
        lengths = np.linalg.norm(user, axis=0)
        np.testing.assert_allclose(lengths, np.linalg.norm(item, axis=0), rtol=1e-4)
        assert (np.diff(lengths) < 0).all()

    def test_columns_beyond_those_of_all_samples_are_zero(self, posterior: Any) -> None:
        user, item = posterior.compressed(samples(2), 10)
        assert not user[:, 6:].any()
        assert not item[:, 6:].any()
        assert user[:, :6].any(axis=0).all()

    def test_who_is_zero_in_every_sample_is_exactly_zero(self, posterior: Any) -> None:
        drawn = samples(3)
        for sample in drawn:
            sample.user[[0, 7]] = 0
            sample.item[5] = 0
        user, item = posterior.compressed(drawn, 9)
        assert not user[[0, 7]].any()
        assert not item[5].any()


class TestStacked:
    TARGET = TargetScaling(offset=3.5, scale=1.25)
    USERS, ITEMS = (np.ravel(index).astype(np.int32) for index in np.mgrid[:12, :17])

    @staticmethod
    def ratings(sample: Sample) -> F32:
        """What a sample says of all pairs, in rating units."""
        scores = sample.user @ sample.item.T + sample.user_bias[:, None] + sample.item_bias
        return np.ravel(scores) * np.float32(1.25) + np.float32(3.5)

    def test_its_score_is_the_mean_of_what_the_samples_say(self, posterior: Any) -> None:
        drawn = samples(4)
        scorer = posterior.stacked(drawn, self.TARGET, clip=(1.0, 5.0))
        expected = np.mean([self.ratings(sample) for sample in drawn], axis=0)
        np.testing.assert_allclose(scorer.score(self.USERS, self.ITEMS), expected, atol=1e-5)
        assert scorer.clip == (1.0, 5.0)

    def test_the_columns_of_one_sample_alone_give_what_it_says(self, posterior: Any) -> None:
        drawn = samples(4)
        scorer = posterior.stacked(drawn, self.TARGET, clip=None)
        width = COLUMNS + 2
        for number, sample in enumerate(drawn):
            own = slice(number * width, (number + 1) * width)
            products = (scorer.user[self.USERS, own] * scorer.item[self.ITEMS, own]).sum(axis=1)
            np.testing.assert_allclose(products * 1.25 + 3.5, self.ratings(sample), atol=1e-5)


class TestFit:
    BURN_IN, EPOCHS, N = 5, 14, 4

    @classmethod
    @cache
    def fitted(cls) -> Fitted:
        return cls.trainer().fit("validated", ROWS, epochs=cls.EPOCHS, validation=VALIDATION)

    @classmethod
    def trainer(cls) -> Trainer:
        """Of a model with columns enough for the mean of all samples, twice."""
        model = PosteriorMfSettings(embedding_size=2, columns=16, burn_in=cls.BURN_IN, samples=cls.N, score_std=True)
        training = TrainingSettings(epochs=cls.EPOCHS, batch_size=1000, target="standardised")
        return Trainer(model_for(model), training, sides_of)

    def drawn(self, fitted: Fitted | None = None) -> list[F32]:
        """What each stored sample says of the validation rows, in rating units."""
        stored = (fitted or self.fitted()).samples
        assert stored is not None
        width = stored.user.shape[1] // self.N
        products = stored.user[VALIDATION.user] * stored.item[VALIDATION.item]
        scores = products.reshape(-1, self.N, width).sum(axis=2) * np.float32(ROWS.rating.std())
        return list(scores.T + ROWS.rating.mean())

    def test_there_are_as_many_samples_as_asked_for(self) -> None:
        assert self.fitted().n_samples == self.N
        assert len({rows.tobytes() for rows in self.drawn()}) == self.N

    def test_validation_errors_stand_at_the_epochs_of_samples_and_at_no_other(self, posterior: Any) -> None:
        measured = {result.epoch for result in self.fitted().history if result.val_mse is not None}
        assert measured == set(posterior.sample_epochs(self.EPOCHS, self.BURN_IN, self.N))
        assert {result.epoch for result in self.fitted().history} == set(range(1, self.EPOCHS + 1))

    def test_they_are_those_of_the_mean_of_the_samples_so_far_in_rating_units(self) -> None:
        history = [result for result in self.fitted().history if result.val_mse is not None]
        for number, result in enumerate(history, start=1):
            error = np.mean(self.drawn()[:number], axis=0) - VALIDATION.rating
            assert result.val_mse == pytest.approx(np.mean(error**2), rel=1e-4)
            assert result.val_mae == pytest.approx(np.mean(np.abs(error)), rel=1e-4)
        assert len({result.val_mse for result in history}) == self.N

    def test_the_network_is_the_mean_of_the_samples(self) -> None:
        predicted = self.fitted().predict(VALIDATION.user, VALIDATION.item)
        np.testing.assert_allclose(predicted, np.mean(self.drawn(), axis=0), atol=1e-4)

    def test_who_has_no_rating_in_the_fit_has_zeros(self) -> None:
        # no row names the last user or the last two items
        network = self.fitted().network
        for name, rows in (("user", [N_USERS - 1]), ("item", [N_ITEMS - 2, N_ITEMS - 1])):
            for layer in (f"{name}_embedding", f"{name}_bias"):
                assert not network.get_layer(layer).get_weights()[0][rows].any()

    def test_without_score_std_no_sample_is_stored(self) -> None:
        model = PosteriorMfSettings(embedding_size=2, columns=8, burn_in=1, samples=2)
        fitted = Trainer(model_for(model), TrainingSettings(batch_size=1000), sides_of).fit("published", ROWS, epochs=3)
        assert (fitted.samples, fitted.n_samples, list(fitted.scorers())) == (None, 0, ["main"])

    def test_a_warm_start_takes_the_earlier_mean_into_the_new_one(self) -> None:
        start = self.fitted().learned()

        warm = self.trainer().fit("validated", ROWS, epochs=9, validation=VALIDATION, start=start)

        alone, before = np.mean(self.drawn(warm), axis=0), self.fitted().predict(VALIDATION.user, VALIDATION.item)
        predicted = warm.predict(VALIDATION.user, VALIDATION.item)
        rated = np.isin(VALIDATION.user, ROWS.user) & np.isin(VALIDATION.item, ROWS.item)
        assert rated.any()
        np.testing.assert_allclose(predicted[rated], (alone + before)[rated] / 2, atol=1e-4)
        assert np.abs(alone - before).max() > 0.01
        error = float(np.mean((predicted - VALIDATION.rating) ** 2))
        assert warm.history[-1].val_mse == pytest.approx(error, rel=1e-3)
