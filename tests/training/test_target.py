"""Targets are scaled by the fit's own ratings, or are their levels, and come back as ratings."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest

from recsys_spark.training.target import CROSS_ENTROPY, RatingLevels, TargetScaling

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


class TestRatingLevels:
    LEVELS = RatingLevels((0.5, 1.0, 2.0, 5.0))

    @pytest.mark.parametrize(
        ("rating", "level"), [(0.5, 0), (0.7, 0), (0.8, 1), (1.4, 1), (1.6, 2), (3.4, 2), (3.6, 3), (-9, 0), (99, 3)]
    )
    def test_a_rating_becomes_the_position_of_the_nearest_level(self, rating: float, level: int) -> None:
        assert self.LEVELS.transform(np.array([rating], np.float32)).tolist() == [level]

    @pytest.mark.parametrize(("rating", "level"), [(0.75, 0), (1.5, 1), (3.5, 2)])
    def test_of_two_levels_equally_near_it_is_the_lower_one(self, rating: float, level: int) -> None:
        assert self.LEVELS.transform(np.array([rating], np.float32)).tolist() == [level]

    def test_positions_are_int32_and_come_back_as_their_levels(self) -> None:
        positions = self.LEVELS.transform(np.array([5, 0.5, 2], np.float32))
        assert positions.dtype == np.int32
        certain = np.eye(4, dtype=np.float32)[positions]
        np.testing.assert_array_equal(self.LEVELS.ratings(certain), np.array([5, 0.5, 2], np.float32))

    def test_probabilities_become_the_level_to_be_expected(self) -> None:
        chances = np.array([[0.5, 0, 0, 0.5], [0, 0.25, 0.75, 0]], np.float32)
        np.testing.assert_allclose(self.LEVELS.ratings(chances), [2.75, 1.75], rtol=1e-6)

    def test_errors_of_the_expected_level_are_already_in_rating_units(self) -> None:
        assert (self.LEVELS.offset, self.LEVELS.scale) == (0, 1)

    @pytest.fixture(scope="class")
    @classmethod
    def measured(cls) -> dict[str, tuple[float, float]]:
        """What Keras' metrics say after two batches of different sizes, and what numpy says of all rows at once."""
        random = np.random.default_rng(3)
        chances = random.dirichlet(np.ones(4), 50).astype(np.float32)
        truth = random.integers(0, 4, (50, 1)).astype(np.int32)
        metrics: dict[str, Any] = {metric.name: metric for metric in cls.LEVELS.metrics()}
        for metric in metrics.values():
            for rows in (slice(0, 40), slice(40, 50)):
                metric.update_state(truth[rows], chances[rows])
        error = np.array(cls.LEVELS.levels)[truth[:, 0]] - chances.astype(np.float64) @ np.array(cls.LEVELS.levels)
        of_truth = np.take_along_axis(chances.astype(np.float64), truth, axis=1)
        expected = {"mse": error**2, "mae": np.abs(error), CROSS_ENTROPY: -np.log(of_truth)}
        return {name: (float(metrics[name].result()), float(rows.mean())) for name, rows in expected.items()}

    @pytest.mark.parametrize("name", ["mse", "mae", CROSS_ENTROPY])
    def test_a_metric_is_what_numpy_says_of_the_same_probabilities(
        self, measured: dict[str, tuple[float, float]], name: str
    ) -> None:
        by_keras, by_numpy = measured[name]
        assert by_keras == pytest.approx(by_numpy, rel=1e-5)
