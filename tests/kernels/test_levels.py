"""The most likely level is that of the largest logit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from recsys_spark.errors import ArtifactError
from recsys_spark.kernels.levels import levels_in_rating_units, logit_scorer, most_likely
from recsys_spark.kernels.scorer import DenseLayer, PairScorer
from tests.contracts.kernel import random_scorer
from tests.kernels.reference import reference

USERS, ITEMS = (np.ravel(index).astype(np.int32) for index in np.mgrid[:30, :50])


def with_logits(*logits: float, levels: list[float], **settings: float) -> PairScorer:
    """One pair whose logits are given."""
    c = len(logits)
    last = DenseLayer(np.zeros((2, c), np.float32), np.array(logits, np.float32), "linear")
    one = np.ones((1, 1), np.float32)
    return PairScorer(one, one, layers=(last,), levels=np.array(levels, np.float32), **settings)  # type: ignore[arg-type]


def level_of(scorer: PairScorer) -> float:
    return float(most_likely(scorer, np.zeros(1, np.int32), np.zeros(1, np.int32))[0])


@pytest.mark.parametrize("seed", range(6))
def test_it_agrees_with_float64_wherever_that_is_sure(seed: int) -> None:
    scorer = random_scorer(seed, "levels", 30, 50, 12)
    assert scorer.levels is not None
    logits = np.stack([reference(logit_scorer(scorer, c), USERS, ITEMS) for c in range(len(scorer.levels))])
    first, second = np.sort(logits, axis=0)[[-1, -2]]
    sure = first - second > 1e-4 * logits.std()

    found = most_likely(scorer, USERS, ITEMS)

    assert found.dtype == np.float32
    assert sure.mean() > 0.7  # with relu last, logits are often all zero
    np.testing.assert_array_equal(found[sure], levels_in_rating_units(scorer)[logits.argmax(axis=0)][sure])


@pytest.mark.parametrize("seed", range(3))
def test_the_logits_are_those_behind_the_expected_level(seed: int) -> None:
    scorer = random_scorer(seed, "levels", 30, 50, 12)
    assert scorer.levels is not None
    logits = np.stack([logit_scorer(scorer, c).score(USERS, ITEMS) for c in range(len(scorer.levels))]).astype(float)
    odds = np.exp(logits - logits.max(axis=0))
    expected = scorer.levels @ odds / odds.sum(axis=0) * scorer.scale + scorer.offset

    np.testing.assert_allclose(scorer.score(USERS, ITEMS), expected, rtol=1e-5, atol=1e-5)


def test_ties_go_to_the_lower_level_whatever_the_order() -> None:
    assert level_of(with_logits(2, 7, 7, levels=[1, 2, 3])) == 2
    assert level_of(with_logits(7, 7, 2, levels=[3, 2, 1])) == 2


def test_the_most_likely_level_need_not_be_the_nearest_to_the_expected_one() -> None:
    scorer = with_logits(1, 0.9, 0.9, levels=[1, 4, 5])

    assert level_of(scorer) == 1
    assert scorer.score(USERS[:1], ITEMS[:1]) > 3


def test_it_is_in_rating_units() -> None:
    assert level_of(with_logits(0, 9, levels=[0, 1], scale=2, offset=0.5)) == 2.5


def test_a_logit_that_is_no_number_stays_seen() -> None:
    scorer = with_logits(0, 1, levels=[1, 2])
    huge = np.array([[3e38, -3e38], [3e38, 3e38]], np.float32)  # -inf + inf in the second logit
    last = dataclasses.replace(scorer.layers[0], weight=np.ascontiguousarray(huge))
    overflowing = dataclasses.replace(
        scorer, user=np.full((1, 1), 10, np.float32), item=np.full((1, 1), 10, np.float32)
    )

    assert np.isnan(level_of(dataclasses.replace(overflowing, layers=(last,))))


def test_a_scorer_without_levels_is_refused() -> None:
    with pytest.raises(ArtifactError, match="levels: expected a scorer that gives a logit for each level, found none"):
        most_likely(random_scorer(0, "layers", 30, 50, 4), USERS, ITEMS)
