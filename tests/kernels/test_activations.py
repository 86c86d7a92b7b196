"""Our own exp, tanh and erf are as accurate as they say, and the activations are those of Keras."""

from __future__ import annotations

import numpy as np
import pytest

from recsys_spark.kernels.activations import activate, erf, exp
from recsys_spark.kernels.arrays import F32
from recsys_spark.kernels.jit import jit
from recsys_spark.kernels.scorer import ACTIVATIONS
from tests.kernels.reference import EXACT, erf64

EDGES = np.array(
    [0, -0.0, 1e-45, -1e-45, 1e-38, 0.625, -0.625, 0.9, -0.9, 4, -4, 9.9, 88.7, 88.8, 89, -87.3, -103.9, -104, -200],
    np.float32,
)
LARGEST = np.finfo(np.float32).max
SPREAD = np.concatenate(
    [
        EDGES,
        np.linspace(-110, 95, 200_001, dtype=np.float32),
        np.linspace(-5, 5, 200_001, dtype=np.float32),
        np.geomspace(1e-30, 3e38, 5_001).astype(np.float32),
        -np.geomspace(1e-30, 3e38, 5_001).astype(np.float32),
    ]
)


@jit
def exp_of(inputs: F32, outputs: F32) -> None:
    for n in range(inputs.size):
        outputs[n] = exp(inputs[n])


@jit
def erf_of(inputs: F32, outputs: F32) -> None:
    for n in range(inputs.size):
        outputs[n] = erf(inputs[n])


def applied(name: str, values: F32) -> F32:
    outputs = np.empty((1, len(values)), np.float32)
    activate(ACTIVATIONS.index(name), values.reshape(1, -1), np.array([-0.0], np.float32), outputs)
    return outputs[0]


def ulps(actual: F32, exact: np.ndarray) -> float:
    """The largest error in units of the last place of the exact result."""
    return float((np.abs(actual - exact) / np.spacing(np.abs(exact).astype(np.float32))).max())


def test_exp_is_within_two_ulp_wherever_its_result_is_a_normal_number() -> None:
    inputs = SPREAD[(SPREAD > -87.3) & (SPREAD < 88.72)]
    outputs = np.empty_like(inputs)
    exp_of(inputs, outputs)

    assert ulps(outputs, np.exp(inputs.astype(np.float64))) <= 2


def test_exp_goes_through_tiny_numbers_to_zero_and_through_the_largest_to_infinity() -> None:
    inputs = np.array([-LARGEST, -104, -103.9, -95, 88.72, 88.73, LARGEST, np.inf, -np.inf, np.nan], np.float32)
    outputs = np.empty_like(inputs)
    exp_of(inputs, outputs)

    tiny = np.float32(2**-149)
    np.testing.assert_array_equal(outputs[[0, 1, 8]], 0)
    np.testing.assert_allclose(outputs[2:4], np.exp(inputs[2:4].astype(np.float64)), rtol=0, atol=tiny)
    assert np.isfinite(outputs[4])
    np.testing.assert_array_equal(outputs[5:8], np.inf)
    assert np.isnan(outputs[9])


def test_tanh_is_within_three_ulp() -> None:
    inputs = SPREAD[np.abs(SPREAD) > 1e-37]

    assert ulps(applied("tanh", inputs), np.tanh(inputs.astype(np.float64))) <= 3


def test_erf_is_within_2e7_and_at_most_one() -> None:
    outputs = np.empty_like(SPREAD)
    erf_of(SPREAD, outputs)

    assert np.abs(outputs - erf64(SPREAD.astype(np.float64))).max() <= 2e-7
    assert np.abs(outputs).max() == 1


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_agree_with_float64(name: str) -> None:
    exact = EXACT[name](SPREAD.astype(np.float64))

    np.testing.assert_allclose(applied(name, SPREAD), exact, rtol=1e-6, atol=6e-7)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_no_finite_input_gives_a_nan_and_a_nan_stays_one(name: str) -> None:
    outputs = applied(name, np.concatenate([SPREAD, np.array([LARGEST, -LARGEST], np.float32)]))

    assert not np.isnan(outputs).any()
    assert np.isnan(applied(name, np.array([np.nan], np.float32))).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_value_does_not_depend_on_its_neighbours(name: str) -> None:
    alone = np.concatenate([applied(name, SPREAD[n : n + 1]) for n in range(40)])

    np.testing.assert_array_equal(applied(name, SPREAD[:40]).view(np.int32), alone.view(np.int32))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_those_of_keras(name: str) -> None:
    import keras

    inputs = np.linspace(-12, 12, 2001, dtype=np.float32)
    expected = np.asarray(keras.activations.get(name)(inputs))

    np.testing.assert_allclose(applied(name, inputs), expected, rtol=2e-6, atol=1e-6)
