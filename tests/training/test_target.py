"""Targets are scaled by the fit's own ratings, and come back as ratings."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from recsys_spark.training.target import TargetScaling

RATINGS = np.array([1, 2, 2, 5], np.float32)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("none", TargetScaling(0.0, 1.0)),
        ("centred", TargetScaling(2.5, 1.0)),
        ("standardised", TargetScaling(2.5, 1.5)),
    ],
)
def test_a_scaling_is_the_mean_and_the_standard_deviation(
    target: Literal["none", "centred", "standardised"], expected: TargetScaling
) -> None:
    assert TargetScaling.of(RATINGS, target) == expected


@pytest.mark.parametrize("target", ["none", "centred", "standardised"])
def test_targets_come_back_as_ratings(target: Literal["none", "centred", "standardised"]) -> None:
    scaling = TargetScaling.of(RATINGS, target)
    np.testing.assert_allclose(scaling.inverse(scaling.transform(RATINGS)), RATINGS, rtol=1e-6)


def test_standardised_targets_have_mean_0_and_deviation_1() -> None:
    targets = TargetScaling.of(RATINGS, "standardised").transform(RATINGS)
    assert targets.dtype == np.float32
    np.testing.assert_allclose([targets.mean(), targets.std()], [0, 1], atol=1e-6)


def test_equal_ratings_are_not_divided_by_zero() -> None:
    assert TargetScaling.of(np.full(3, 4, np.float32), "standardised") == TargetScaling(4.0, 1.0)


def test_a_mean_of_many_ratings_is_not_summed_as_float32() -> None:
    assert TargetScaling.of(np.full(2**25, 3.3, np.float32), "centred").offset == pytest.approx(
        np.float32(3.3), abs=1e-9
    )
