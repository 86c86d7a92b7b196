"""Stochastic-gradient Hamiltonian Monte Carlo as a Keras optimizer, for factorised ratings with Gaussian noise.

Chen, Fox, Guestrin: Stochastic Gradient Hamiltonian Monte Carlo, ICML 2014, equation 15, with a preconditioner for each
row. The model is r = network(theta) + N(0, s2) with theta ~ N(0, v), v one variance for each column of each table;

    U(theta) = SSE / (2 s2) + sum theta^2 / (2 v)
    C        = 1 / (n_row g / s2 + 1 / v)                    about the variance of theta given everything else
    m       <- (1 - a) m - h sqrt(C) grad U + sqrt(1 - (1 - a)^2) N(0, 1)
    theta   <- theta + h sqrt(C) m

g stands for the mean square of what a rating multiplies theta with: 1 for a bias; for a factor `CURVATURE` times the
mean square, over the ratings, of its column in the other table, which lets factors take steps as long as they can bear.

After each step s2, v and the mean squares follow what they are in the sample, smoothed: s2 -> SSE / N,
v -> (1 - h^2 / 4) mean theta^2. The factor takes back the variance that a leapfrog of step h adds; without it noise and
prior would feed each other.

Import this module only where Keras is loaded already.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from recsys_spark.kernels.arrays import F32

_SMOOTHING = 0.1
"""Weight of the present sample in the variances."""


CURVATURE = 0.15
"""Of the mean square of the other table's factors; steps of a column stay stable while a row's own mean is below about
4 CURVATURE / h^2 times that."""

_LEAST_NOISE = 1e-4
"""Of the noise before the first step."""


class RowsOfTable(NamedTuple):
    """What the sampler knows of one table of the network."""

    counts: F32
    """f32[rows], ratings of each row's user or item; rows without any stay as they are."""

    partner: int | None
    """Position of the table whose rows these are multiplied with; none: a bias, which stands alone."""

    variance: float
    """v before the first step."""


class Sghmc(keras.optimizers.Optimizer):
    """Draws from the posterior instead of descending.

    Args:
        tables: for each trainable variable f32[rows, columns] of the network, in its order.
        n_rows: ratings that are fitted; the loss is the mean of their squared errors (over a batch).
        noise: s2 before the first step; assign to `noise_variance` after each one.
        step: h.
        friction: a.
        seed: of momenta and noise.
    """

    def __init__(
        self, tables: Sequence[RowsOfTable], *, n_rows: int, noise: float, step: float, friction: float, seed: int
    ) -> None:
        super().__init__(learning_rate=step, name="sghmc")
        self._tables, self._n_rows, self._friction, self._seed = list(tables), n_rows, friction, seed
        self._step_size, self._first_noise = step, noise
        self.noise_variance = self.add_variable((), initializer=keras.initializers.Constant(noise), name="noise")
        self._momenta: list[Any] = []
        self._variances: list[Any] = []
        self._weighted: list[Any] = []

    def build(self, variables: Sequence[Any]) -> None:
        """Draw the momenta; see Keras."""
        if self.built:
            return
        super().build(variables)
        for number, (variable, table) in enumerate(zip(variables, self._tables, strict=True)):
            normal = keras.initializers.RandomNormal(stddev=1.0, seed=self._seed + number)
            self._momenta.append(self.add_variable(variable.shape, initializer=normal, name=f"momentum_{number}"))
            start = keras.initializers.Constant(table.variance)
            for kept, name in ((self._variances, "prior"), (self._weighted, "square")):
                kept.append(self.add_variable(variable.shape[1:], initializer=start, name=f"{name}_{number}"))

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One step of one table; `gradient` is that of the mean squared error."""
        number = self._get_variable_index(variable)
        counts, partner, _ = self._tables[number]
        present = tf.constant((counts > 0)[:, None], tf.float32)
        momentum, variance = self._momenta[number], self._variances[number]
        theta, v = tf.convert_to_tensor(variable), tf.convert_to_tensor(variance)
        noise = tf.convert_to_tensor(self.noise_variance)
        curvature = 1.0 if partner is None else CURVATURE * tf.convert_to_tensor(self._weighted[partner])

        slope = tf.convert_to_tensor(gradient) * (self._n_rows / (2 * noise)) + theta / v
        root = tf.sqrt(present / (tf.constant(counts[:, None]) * (curvature / noise) + 1 / v))
        kept = 1 - self._friction
        kick = self._normal(number, theta.shape)
        moved = kept * momentum - learning_rate * root * slope + np.sqrt(1 - kept**2) * kick
        theta = theta + learning_rate * root * moved
        self.assign(momentum, moved)
        self.assign(variable, theta)

        squares, weights = tf.square(theta), tf.constant(counts[:, None])
        mean = tf.reduce_sum(squares * present, axis=0) / float(np.count_nonzero(counts) or 1)
        by_rating = tf.reduce_sum(squares * weights, axis=0) / float(counts.sum() or 1)
        self._follow(variance, (1 - self._step_size**2 / 4) * mean)
        self._follow(self._weighted[number], by_rating)

    def _follow(self, variable: Any, value: Any) -> None:
        smoothed = (1 - _SMOOTHING) * tf.convert_to_tensor(variable) + _SMOOTHING * value
        # a column that has died out must not end in a division by zero
        self.assign(variable, tf.maximum(smoothed, 1e-6))

    def follow_noise(self, mean_squared_error: float) -> None:
        """Let s2 follow the error of the epoch so far: with a batch of all rows, that of the last step."""
        before = float(self.noise_variance.numpy())
        after = (1 - _SMOOTHING) * before + _SMOOTHING * mean_squared_error
        # ratings without any noise must not end in a division by zero
        self.noise_variance.assign(max(after, _LEAST_NOISE * self._first_noise))

    def _normal(self, number: int, shape: Any) -> Any:
        """Noise that depends on nothing but seed, step and table."""
        seeds = tf.stack([tf.constant(self._seed, tf.int64), self.iterations.value * len(self._tables) + number])
        return tf.random.stateless_normal(shape, seeds)
