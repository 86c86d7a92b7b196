"""The deviation of a score is that of the samples' scores."""

from __future__ import annotations

import numpy as np
import pytest

from recsys_spark.kernels.arrays import F32
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.scoring import uncertainty
from recsys_spark.scoring.uncertainty import Samples

N_USERS, N_ITEMS, N_SAMPLES, WIDTH = 7, 9, 5, 4
USERS, ITEMS = (np.ravel(index).astype(np.int32) for index in np.mgrid[:N_USERS, :N_ITEMS])


def side(n: int, *, seed: int) -> F32:
    """The columns of all samples, f32[n, N_SAMPLES, WIDTH]."""
    return np.random.default_rng(seed).normal(size=(n, N_SAMPLES, WIDTH)).astype(np.float32)


OF_USERS, OF_ITEMS = side(N_USERS, seed=1), side(N_ITEMS, seed=2)


def samples(*, scale: float = 1.0, offset: float = 0.0, clip: tuple[float, float] | None = None) -> Samples:
    """Samples whose own scores have this scale; the scorer's makes a mean of their sum."""
    user, item = (columns.reshape(len(columns), -1) for columns in (OF_USERS, OF_ITEMS))
    return Samples(PairScorer(user, item, scale=scale / N_SAMPLES, offset=offset, clip=clip), N_SAMPLES)


def scores() -> F32:
    """What each sample says of all pairs, f32[pairs, N_SAMPLES]."""
    result: F32 = np.einsum("usw,isw->uis", OF_USERS, OF_ITEMS).reshape(-1, N_SAMPLES)
    return result


@pytest.mark.parametrize("scale", [1.0, 1.7])
def test_it_is_that_of_the_samples_own_scores_in_rating_units(scale: float) -> None:
    expected = scale * scores().std(axis=1, ddof=1)
    found = samples(scale=scale, offset=3.0).deviations(USERS, ITEMS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_mean_of_the_samples_is_what_the_scorer_scores() -> None:
    np.testing.assert_allclose(samples().scorer.score(USERS, ITEMS), scores().mean(axis=1), atol=1e-5)


@pytest.mark.parametrize("numbers_at_once", [1, 3 * N_SAMPLES * WIDTH, 1000 * N_SAMPLES * WIDTH])
def test_how_many_pairs_are_held_at_a_time_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, numbers_at_once: int
) -> None:
    expected = samples().deviations(USERS, ITEMS)
    monkeypatch.setattr(uncertainty, "_NUMBERS_AT_ONCE", numbers_at_once)
    np.testing.assert_array_equal(samples().deviations(USERS, ITEMS), expected)


def test_clipping_what_is_published_changes_no_deviation() -> None:
    np.testing.assert_array_equal(samples(clip=(0.0, 0.1)).deviations(USERS, ITEMS), samples().deviations(USERS, ITEMS))


def test_no_pairs_have_no_deviations() -> None:
    assert samples().deviations(USERS[:0], ITEMS[:0]).shape == (0,)
