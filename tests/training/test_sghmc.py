"""The sampler against posteriors that are known: it finds their means, their variances and the noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from recsys_spark.kernels.arrays import F32, I32
from recsys_spark.models.posterior_mf import PosteriorMf
from recsys_spark.models.settings import PosteriorMfSettings
from recsys_spark.models.sides import Sides
from recsys_spark.scoring.uncertainty import Samples
from recsys_spark.training.feed import TrainingRows
from recsys_spark.training.fit import Trainer, load_keras
from recsys_spark.training.settings import TrainingSettings

F64 = npt.NDArray[np.float64]

NOISE, PRIOR = 0.5, 0.8
"""Variances of the made-up targets around their user's bias, and of the biases around zero."""

N_USERS = 3000
COUNTS: I32 = np.tile(np.array([0, 1, 4, 16], np.int32), N_USERS // 4)
"""Ratings of each user."""

USERS: I32 = np.repeat(np.arange(N_USERS, dtype=np.int32), COUNTS)


def _targets() -> F32:
    random = np.random.default_rng(5)
    biases = random.normal(0, np.sqrt(PRIOR), N_USERS)
    return (biases[USERS] + random.normal(0, np.sqrt(NOISE), len(USERS))).astype(np.float32)


TARGETS = _targets()
MEANS: F64 = np.bincount(USERS, TARGETS, N_USERS) / np.maximum(COUNTS, 1)


@dataclass(frozen=True, eq=False)
class Chain:
    """What a sampler drew.

    Args:
        draws: f32[draws, N_USERS], after the first steps.
        noise: variance that the sampler took for that of the noise in the end.
    """

    draws: F32
    noise: float


def sampled(steps: int, *, seed: int = 1, noise: float = NOISE, follow: bool = False, first: int = 0) -> Chain:
    """A chain over biases alone, of which every fifth step after the first ones is kept."""
    keras = load_keras()
    import tensorflow as tf

    from recsys_spark.training.sghmc import RowsOfTable, Sghmc

    index = keras.Input((), dtype="int32")
    network = keras.Model(index, keras.layers.Embedding(N_USERS, 1, "zeros", name="user_bias")(index))
    table = RowsOfTable(COUNTS.astype(np.float32), None, 1.0)
    sampler = Sghmc([table], n_rows=len(USERS), noise=noise, step=0.2, friction=0.05, seed=seed)
    network.compile(sampler, loss="mse", jit_compile=False)
    draws: list[F32] = []

    def look(step: int, logs: Any) -> None:
        if follow:
            # the network's own loss is a mean over all steps
            sampler.follow_noise(float(np.mean((network.get_weights()[0][USERS, 0] - TARGETS) ** 2)))
        if step >= first and step % 5 == 4:
            draws.append(network.get_weights()[0][:, 0])

    batches = tf.data.Dataset.from_tensors((USERS, TARGETS[:, None])).repeat(steps)
    network.fit(batches, shuffle=False, verbose=0, callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=look)])
    return Chain(np.array(draws), float(sampler.noise_variance.numpy()))


class TestBiases:
    """theta ~ N(0, v), n ratings of mean m: theta | ratings ~ N(m n/s2 / (n/s2 + 1/v), 1 / (n/s2 + 1/v))."""

    @pytest.fixture(scope="class")
    @classmethod
    def chain(cls) -> Chain:
        return sampled(2000, first=100)

    @pytest.fixture(scope="class")
    @classmethod
    def precisions(cls) -> F64:
        """n/s2 + 1/v, where v is the mean of theta^2 under the posterior that it makes itself."""
        prior, rated = 1.0, COUNTS > 0
        for _ in range(200):
            precisions = COUNTS / NOISE + 1 / prior
            squares = (MEANS * COUNTS / NOISE / precisions) ** 2 + 1 / precisions
            prior = float(squares[rated].mean())
        assert prior == pytest.approx(PRIOR, rel=0.1)
        result: F64 = precisions
        return result

    @pytest.mark.parametrize("count", [1, 4, 16])
    def test_the_mean_is_the_mean_of_the_ratings_shrunk_by_their_number(
        self, chain: Chain, precisions: F64, count: int
    ) -> None:
        users = count == COUNTS
        found, ratings = chain.draws[:, users].mean(axis=0), MEANS[users]
        slope = float(found @ ratings / (ratings @ ratings))
        assert slope == pytest.approx(count / NOISE / precisions[users][0], rel=0.02)
        # about 200 of the 380 draws are independent of each other
        error = (found - ratings * count / NOISE / precisions[users]) * np.sqrt(precisions[users])
        assert np.sqrt(np.mean(error**2)) < 1.3 / np.sqrt(200)

    @pytest.mark.parametrize("count", [1, 4, 16])
    def test_the_variance_falls_with_the_number_of_ratings(self, chain: Chain, precisions: F64, count: int) -> None:
        users = count == COUNTS
        assert chain.draws[:, users].var(axis=0).mean() == pytest.approx(1 / precisions[users][0], rel=0.04)

    def test_users_without_a_rating_stay_exactly_zero(self, chain: Chain) -> None:
        assert not chain.draws[:, COUNTS == 0].any()
        assert chain.draws[:, COUNTS > 0].all()


class TestSeed:
    def test_the_same_one_gives_the_same_chain_to_the_bit_and_another_one_another(self) -> None:
        first, again, other = (sampled(20, seed=seed).draws for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        moved = COUNTS > 0
        assert np.abs(np.corrcoef(first[-1, moved], other[-1, moved])[0, 1]) < 0.9
        assert (first[:, moved] != other[:, moved]).all()

    def test_it_may_be_of_any_sign_and_size(self) -> None:
        for seed in (-(2**40), 2**40):
            assert np.isfinite(sampled(5, seed=seed).draws).all()


class TestNoise:
    @pytest.mark.parametrize("start", [NOISE / 10, NOISE * 10])
    def test_it_ends_at_that_of_the_ratings_wherever_it_starts(self, start: float) -> None:
        assert sampled(200, noise=start, follow=True).noise == pytest.approx(NOISE, rel=0.08)

    def test_it_moves_a_tenth_of_the_way_to_the_error_and_never_to_zero(self) -> None:
        load_keras()
        from recsys_spark.training.sghmc import Sghmc

        sampler = Sghmc([], n_rows=1, noise=2.0, step=0.1, friction=0.1, seed=1)
        sampler.follow_noise(4.0)
        assert float(sampler.noise_variance.numpy()) == pytest.approx(2.2)
        for _ in range(200):
            sampler.follow_noise(0.0)
        assert float(sampler.noise_variance.numpy()) == pytest.approx(2e-4)


class TestFactors:
    """Ratings made by two factors and biases: their posterior has no closed form, but it must be calibrated."""

    N, NOISE = 60, 0.3

    @pytest.fixture(scope="class")
    @classmethod
    def standard_errors(cls) -> F64:
        """(truth - mean of the samples) / deviation of the samples, for all pairs without a rating."""
        random = np.random.default_rng(8)
        users, items = (np.ravel(index).astype(np.int32) for index in np.mgrid[: cls.N, : cls.N])
        of_users, of_items = (random.normal(0, 0.8, (cls.N, 2)) for _ in range(2))
        biases = random.normal(0, 0.5, (2, cls.N))
        truth = 3 + (of_users[users] * of_items[items]).sum(axis=1) + biases[0][users] + biases[1][items]
        rated = random.random(len(truth)) < 0.5
        noisy = (truth + random.normal(0, np.sqrt(cls.NOISE), len(truth))).astype(np.float32)
        rows = TrainingRows(users[rated], items[rated], noisy[rated], np.zeros(int(rated.sum()), np.uint8))
        model = PosteriorMf(PosteriorMfSettings(embedding_size=4, burn_in=60, samples=50, score_std=True))
        training = TrainingSettings(epochs=260, batch_size=10_000)
        fitted = Trainer(model, training, lambda _: Sides(cls.N, cls.N)).fit("published", rows, epochs=260)
        assert fitted.samples is not None
        samples = Samples(fitted.samples, fitted.n_samples)
        pairs = users[~rated], items[~rated]
        errors: F64 = (truth[~rated] - samples.scorer.score(*pairs)) / samples.deviations(*pairs).astype(np.float64)
        return errors

    @pytest.mark.slow
    def test_the_truth_lies_as_far_from_the_mean_of_the_samples_as_they_do(self, standard_errors: F64) -> None:
        assert np.sqrt(np.mean(standard_errors**2)) == pytest.approx(1, abs=0.2)
        assert np.mean(np.abs(standard_errors) < 1.96) == pytest.approx(0.95, abs=0.04)
