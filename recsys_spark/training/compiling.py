"""How a network is compiled for a fit: optimizer, schedule, steps in a call, and whether XLA compiles the step.

What was measured on two cores of an AVX-512 machine (`benchmarks/training_speed.py`):

- Many steps in one call into TensorFlow are two times faster than one, at 1,024 rows a step.
- XLA makes a step of a dot product about two times faster, and one with dense layers two times slower. It takes a
  second or two to compile, so short fits do without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recsys_spark.models.model import Model
from recsys_spark.training.settings import TrainingSettings
from recsys_spark.training.target import CROSS_ENTROPY, Target

if TYPE_CHECKING:
    import keras

_ROWS_IN_A_CALL = 65_536
_STEPS_IN_A_CALL = 64
"""A call into TensorFlow runs so many steps as make up that many rows, at most that many steps: enough that the call
itself costs nothing, few enough that progress is seen."""

_ROWS_THAT_PAY_FOR_XLA = 5_000_000
"""Rows of a fit, over all epochs, from which XLA is used where the model gains: it saves a second or two on them."""


def compile_for(network: keras.Model, model: Model, settings: TrainingSettings, target: Target, *, n_rows: int) -> None:
    """Compile a fresh network for descent.

    Args:
        network: changed in place.
        model: that built it.
        settings: of the training.
        target: what it learns.
        n_rows: in an epoch.
    """
    network.compile(
        optimizer=optimizer(settings, steps_per_epoch=-(-n_rows // settings.batch_size)),
        loss="sparse_categorical_crossentropy" if model.levels else settings.loss,
        # once more, since what Keras calls "loss" has the penalties in it
        metrics=target.metrics(),
        steps_per_execution=max(1, min(_STEPS_IN_A_CALL, _ROWS_IN_A_CALL // settings.batch_size)),
        jit_compile=False,
    )
    if uses_xla(model, settings, n_rows=n_rows):
        step_by_xla(network)


def step_by_xla(network: keras.Model) -> None:
    """Let XLA compile the training step of a compiled network.

    Keras itself refuses that beside deterministic operations, for the sake of other devices than CPUs.
    """
    import tensorflow as tf

    network.train_step = tf.function(network.train_step, jit_compile=True)


def loss_name(model: Model, settings: TrainingSettings) -> str:
    """The metric that tells the loss without penalties."""
    if settings.objective == "ranking":
        return "loss"
    return CROSS_ENTROPY if model.levels else settings.loss


def uses_xla(model: Model, settings: TrainingSettings, *, n_rows: int) -> bool:
    """Whether XLA compiles the training step of a fit with so many rows in an epoch."""
    if settings.xla is not None:
        return settings.xla
    return model.gains_from_xla and n_rows * settings.epochs >= _ROWS_THAT_PAY_FOR_XLA


def optimizer(settings: TrainingSettings, *, steps_per_epoch: int) -> Any:
    """The Keras optimizer with its schedule.

    The schedule is laid out over `settings.epochs` also where a fit runs fewer, so that a fit that stops at the best
    epoch of another one sees the same learning rates.
    """
    import keras

    rate: Any = settings.learning_rate
    if settings.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=settings.epochs * steps_per_epoch)
    elif settings.schedule == "exponential":
        rate = keras.optimizers.schedules.ExponentialDecay(rate, decay_steps=steps_per_epoch, decay_rate=settings.decay)
    if settings.optimizer == "adam":
        return keras.optimizers.Adam(rate)
    return keras.optimizers.SGD(rate, momentum=settings.momentum)
