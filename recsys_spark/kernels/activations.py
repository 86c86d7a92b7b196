"""Activation functions with the same bits on every host.

Libraries for exp, tanh and erf differ between systems in the last bits; these are our own, in float32, each a fixed
sequence of additions, multiplications, divisions and fused multiply-adds, which IEEE 754 defines to the bit. Defaults
are those of Keras 3. For every finite input the result is no NaN; a NaN stays a NaN, so that an overflow is seen.

| function | method | error at most |
| --- | --- | --- |
| exp | 2^n * p(r), r = x - n ln 2, abs(r) <= ln(2) / 2; above 88.72 infinite, below -103.97 zero | 2 ulp |
| tanh | abs(x) < 0.625: x + x^3 p(x^2); else 1 - 2 / (exp(2 abs(x)) + 1), with the sign of x | 3 ulp |
| erf | abs(x) < 0.9: x + x p(x^2); else 1 - exp(p(abs(x))), with the sign of x | 2e-7 |

The polynomials are minimax fits made for this file (weighted least squares in float64 over Chebyshev points, weights
moved towards the largest errors). The tests measure all of them against float64.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from recsys_spark.kernels.arrays import F32
from recsys_spark.kernels.fma import fma
from recsys_spark.kernels.jit import jit
from recsys_spark.kernels.scorer import ACTIVATIONS

_RELU: Final = ACTIVATIONS.index("relu")
_LEAKY_RELU: Final = ACTIVATIONS.index("leaky_relu")
_ELU: Final = ACTIVATIONS.index("elu")
_SELU: Final = ACTIVATIONS.index("selu")
_GELU: Final = ACTIVATIONS.index("gelu")
_SILU: Final = ACTIVATIONS.index("silu")
_SIGMOID: Final = ACTIVATIONS.index("sigmoid")
_TANH: Final = ACTIVATIONS.index("tanh")

_HALF = np.float32(0.5)
_ONE = np.float32(1)
_TWO = np.float32(2)
_ZERO = np.float32(0)
_LEAKY_SLOPE = np.float32(0.2)
_SELU_SCALE = np.float32(1.0507009873554805)
_SELU_SCALE_ALPHA = np.float32(1.0507009873554805 * 1.6732632423543772)
_SQRT_HALF = np.float32(0.7071067811865476)

_EXP_LOWEST = np.float32(-104)  # exp is zero from here on
_EXP_HIGHEST = np.float32(89)  # exp is infinite from here on
_LOG2_E = np.float32(1.4426950408889634)
_LN2_HIGH = np.float32(-0.6931471805599453)
_LN2_LOW = np.float32(np.float64(np.float32(0.6931471805599453)) - 0.6931471805599453)
_ROUNDER = np.float32(1.5 * 2**23)  # adding it leaves the nearest integer in the lowest bits
_ROUNDER_BITS = np.int32(0x4B400000)
_EXP_0 = np.float32(0.4999999403953552)
_EXP_1 = np.float32(0.16666515171527863)
_EXP_2 = np.float32(0.04166845604777336)
_EXP_3 = np.float32(0.008369418792426586)
_EXP_4 = np.float32(0.0013813144760206342)

_TANH_SMALL = np.float32(0.625)
_TANH_LARGEST = np.float32(10)  # tanh is one, in float32, well before
_TANH_0 = np.float32(-0.3333328366279602)
_TANH_1 = np.float32(0.13331490755081177)
_TANH_2 = np.float32(-0.05374349653720856)
_TANH_3 = np.float32(0.020650586113333702)
_TANH_4 = np.float32(-0.005717044696211815)

_ERF_SMALL = np.float32(0.9)
_ERF_LARGEST = np.float32(4)  # erf is one, in float32, from here on
_ERF_0 = np.float32(0.12837916612625122)
_ERF_1 = np.float32(-0.37612634897232056)
_ERF_2 = np.float32(0.11283719539642334)
_ERF_3 = np.float32(-0.026860753074288368)
_ERF_4 = np.float32(0.005204435903578997)
_ERF_5 = np.float32(-0.0008181927842088044)
_ERF_6 = np.float32(8.538841211702675e-05)
_ERFC_0 = np.float32(0.00017055081843864173)
_ERFC_1 = np.float32(-1.1294951438903809)
_ERFC_2 = np.float32(-0.6333866715431213)
_ERFC_3 = np.float32(-0.10823660343885422)
_ERFC_4 = np.float32(0.025091486051678658)
_ERFC_5 = np.float32(-0.004160522483289242)
_ERFC_6 = np.float32(0.00043230204028077424)
_ERFC_7 = np.float32(-2.090946691168938e-05)


@jit
def activate(code: int, inputs: F32, shifts: F32, outputs: F32) -> None:
    """outputs[m, l] = f(inputs[m, l] + shifts[m]).

    Args:
        code: position of the activation f in `ACTIVATIONS`.
        inputs: f32[n, lanes].
        shifts: f32[>= n]; minus zero leaves every input as it is, to the bit.
        outputs: f32[n, lanes], overwritten; not the memory of inputs, else LLVM cannot use vector instructions.
    """
    if code == _RELU:
        for m in range(len(inputs)):
            for lane in range(inputs.shape[1]):
                outputs[m, lane] = relu(inputs[m, lane] + shifts[m])
    elif code == _LEAKY_RELU:
        for m in range(len(inputs)):
            for lane in range(inputs.shape[1]):
                outputs[m, lane] = leaky_relu(inputs[m, lane] + shifts[m])
    elif code == _ELU:
        for m in range(len(inputs)):
            for lane in range(inputs.shape[1]):
                outputs[m, lane] = elu(inputs[m, lane] + shifts[m])
    elif code == _SELU:
        for m in range(len(inputs)):
            for lane in range(inputs.shape[1]):
                outputs[m, lane] = selu(inputs[m, lane] + shifts[m])
    elif code == _GELU:
        for m in range(len(inputs)):
            for lane in range(inputs.shape[1]):
                outputs[m, lane] = gelu(inputs[m, lane] + shifts[m])
    elif code == _SILU:
        for m in range(len(inputs)):
            for lane in range(inputs.shape[1]):
                outputs[m, lane] = silu(inputs[m, lane] + shifts[m])
    elif code == _SIGMOID:
        for m in range(len(inputs)):
            for lane in range(inputs.shape[1]):
                outputs[m, lane] = sigmoid(inputs[m, lane] + shifts[m])
    elif code == _TANH:
        for m in range(len(inputs)):
            for lane in range(inputs.shape[1]):
                outputs[m, lane] = tanh(inputs[m, lane] + shifts[m])
    else:
        for m in range(len(inputs)):
            for lane in range(inputs.shape[1]):
                outputs[m, lane] = inputs[m, lane] + shifts[m]


@jit
def relu(x: np.float32) -> np.float32:
    """max(x, 0), but a NaN stays a NaN."""
    return _ZERO if x < _ZERO else x


@jit
def leaky_relu(x: np.float32) -> np.float32:
    """x above zero, 0.2 x below."""
    return x * _LEAKY_SLOPE if x < _ZERO else x


@jit
def elu(x: np.float32) -> np.float32:
    """x above zero, exp(x) - 1 below."""
    return exp(x) - _ONE if x < _ZERO else x


@jit
def selu(x: np.float32) -> np.float32:
    """scale * x above zero, scale * alpha * (exp(x) - 1) below."""
    return _SELU_SCALE_ALPHA * (exp(x) - _ONE) if x < _ZERO else _SELU_SCALE * x


@jit
def gelu(x: np.float32) -> np.float32:
    """x / 2 * (1 + erf(x / sqrt(2))): the exact one, not the tanh approximation."""
    return (_HALF * x) * (_ONE + erf(x * _SQRT_HALF))


@jit
def silu(x: np.float32) -> np.float32:
    """x * sigmoid(x)."""
    return x * sigmoid(x)


@jit
def sigmoid(x: np.float32) -> np.float32:
    """1 / (1 + exp(-x))."""
    return _ONE / (_ONE + exp(-x))


@jit
def tanh(x: np.float32) -> np.float32:
    """Hyperbolic tangent; the method stands at the top of this file."""
    size = abs(x)
    bounded = _TANH_LARGEST if size > _TANH_LARGEST else size
    large = _ONE - _TWO / (exp(_TWO * bounded) + _ONE)
    square = size * size
    p = fma(_TANH_4, square, _TANH_3)
    p = fma(p, square, _TANH_2)
    p = fma(p, square, _TANH_1)
    p = fma(p, square, _TANH_0)
    small = fma(p * square, size, size)
    result = small if size < _TANH_SMALL else large
    return -result if x < _ZERO else result


@jit
def erf(x: np.float32) -> np.float32:
    """Error function; the method stands at the top of this file."""
    size = abs(x)
    size = _ERF_LARGEST if size > _ERF_LARGEST else size
    p = fma(_ERFC_7, size, _ERFC_6)
    p = fma(p, size, _ERFC_5)
    p = fma(p, size, _ERFC_4)
    p = fma(p, size, _ERFC_3)
    p = fma(p, size, _ERFC_2)
    p = fma(p, size, _ERFC_1)
    p = fma(p, size, _ERFC_0)
    large = _ONE - exp(p)
    square = size * size
    q = fma(_ERF_6, square, _ERF_5)
    q = fma(q, square, _ERF_4)
    q = fma(q, square, _ERF_3)
    q = fma(q, square, _ERF_2)
    q = fma(q, square, _ERF_1)
    q = fma(q, square, _ERF_0)
    small = fma(q, size, size)
    result = small if size < _ERF_SMALL else large
    return -result if x < _ZERO else result


@jit
def exp(x: np.float32) -> np.float32:
    """Exponential function; the method stands at the top of this file."""
    x = _EXP_LOWEST if x < _EXP_LOWEST else x
    x = _EXP_HIGHEST if x > _EXP_HIGHEST else x
    shifted = fma(x, _LOG2_E, _ROUNDER)
    n = shifted - _ROUNDER
    r = fma(n, _LN2_LOW, fma(n, _LN2_HIGH, x))
    p = fma(_EXP_4, r, _EXP_3)
    p = fma(p, r, _EXP_2)
    p = fma(p, r, _EXP_1)
    p = fma(p, r, _EXP_0)
    p = fma(p * r, r, r) + _ONE
    # 2^n in two factors, so that neither overflows and a result below the normal numbers is rounded once
    exponent = np.int32(np.float32(shifted).view(np.int32) - _ROUNDER_BITS)
    half = np.int32(exponent >> 1)
    return p * _power_of_two(half) * _power_of_two(np.int32(exponent - half))


@jit
def _power_of_two(n: np.int32) -> np.float32:
    """2^n for n from -126 to 127, made of its bits."""
    return np.int32((n + 127) << 23).view(np.float32)
