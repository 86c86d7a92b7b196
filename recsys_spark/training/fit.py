"""One fit: fresh weights, some rows, some epochs; the same rows, settings and seed give the same weights to the bit.

TensorFlow's operations are made deterministic, which is a switch of the whole process that cannot be turned back; so
is the seed of Python's, numpy's and TensorFlow's random numbers. Keras then never compiles with XLA. Measured on two
cores with 0.9 million ratings, this costs nothing against plain TensorFlow; what counts is to run many steps in one
call (two times faster at 1,024 rows a step than one step in a call). XLA without determinism gave 1 to 2 times that.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys_spark.errors import DataError
from recsys_spark.kernels.arrays import F32, I32, Flags
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.embedding import clear
from recsys_spark.models.model import Model
from recsys_spark.training.epochs import EpochClock, EpochResult, Watcher, nobody
from recsys_spark.training.feed import TrainingRows, dataset
from recsys_spark.training.settings import TrainingSettings
from recsys_spark.training.target import TargetScaling

if TYPE_CHECKING:
    import keras

_ROWS_IN_A_CALL = 65_536
_STEPS_IN_A_CALL = 64
"""A call into TensorFlow runs so many steps as make up that many rows, at most that many steps: enough that the call
itself costs nothing, few enough that progress is seen."""

_VALIDATION_BATCH_SIZE = 8192
"""Rows; at least: no gradient is kept, so larger steps than in training only save calls."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained network and what is needed to use it.

    Args:
        model: what built the network.
        network: not compiled, without the optimizer's state. An id without a row in the fit has zeros for its vector
            and bias: with a dot product its pairs score the mean and the other side's bias.
        scaling: of the target.
        clip: bounds of published scores, or none.
        epochs: after which the weights stand.
        history: of all epochs run; more than `epochs` after early stopping.
    """

    model: Model
    network: keras.Model
    scaling: TargetScaling
    clip: tuple[float, float] | None
    epochs: int
    history: tuple[EpochResult, ...]

    def scorers(self) -> dict[str, PairScorer]:
        """The network as plain arrays; see `Model.export`."""
        return self.model.export(self.network, scale=self.scaling.scale, offset=self.scaling.offset, clip=self.clip)

    def predict(self, users: I32, items: I32) -> F32:
        """What Keras itself says about some pairs.

        Args:
            users: i32[n].
            items: i32[n].

        Returns:
            f32[n], in rating units, not clipped.
        """
        output = self.network.predict({"user": users, "item": items}, batch_size=_VALIDATION_BATCH_SIZE, verbose=0)
        return self.scaling.inverse(output[:, 0])


@dataclass(frozen=True)
class Trainer:
    """What the fits of one run have in common.

    Args:
        model: what is fitted.
        settings: how.
        n_users: users there are, with or without a row.
        n_items: items there are, with or without a row.
        rating_range: lowest and highest valid rating, for clipping; none: those of the fit's rows.
        watcher: told where a fit stands.
    """

    model: Model
    settings: TrainingSettings
    n_users: int
    n_items: int
    rating_range: tuple[float, float] | None = None
    watcher: Watcher = nobody

    def fit(self, name: str, rows: TrainingRows, *, epochs: int, validation: TrainingRows | None = None) -> Fitted:
        """Fit fresh weights.

        Args:
            name: of the fit, for the history and the watcher.
            rows: what is fitted; targets are scaled by these rows.
            epochs: passes over the rows; with early stopping, at most.
            validation: measured after each epoch. With `settings.early_stopping` training stops by it, and the weights
                of the best epoch are taken.

        Raises:
            DataError: no rows, an index beyond the number of users or items, or the loss is not finite.
        """
        self._check(name, rows)
        keras = _deterministic_keras(self.settings.seed)
        network = self._fresh_network(keras, rows)
        scaling = TargetScaling.of(rows.rating, self.settings.target)
        clock = EpochClock(
            name,
            epochs=epochs,
            rows=len(rows),
            batch_size=self.settings.batch_size,
            loss=self.settings.loss,
            watcher=self.watcher,
        )
        callbacks = [
            keras.callbacks.LambdaCallback(
                on_epoch_begin=clock.epoch_begins, on_train_batch_end=clock.batch_ends, on_epoch_end=clock.epoch_ends
            )
        ]
        stopping = self._early_stopping(keras) if validation is not None else None
        try:
            network.fit(
                self._batches(rows, scaling, shuffle_seed=self.settings.seed),
                validation_data=None if validation is None else self._batches(validation, scaling),
                epochs=epochs,
                shuffle=False,
                verbose=0,
                callbacks=[*callbacks, stopping] if stopping else callbacks,
            )
        finally:
            clock.fit_ends()
        taken = stopping.best_epoch + 1 if stopping else epochs
        return Fitted(self.model, self._bare(network), scaling, self._clip(rows), taken, tuple(clock.history))

    def _check(self, name: str, rows: TrainingRows) -> None:
        if not len(rows):
            raise DataError(
                f"training ({name})",
                expected="at least one rating to fit",
                found="none",
                hint="take smaller split.test_fraction and split.validation_fraction, or more ratings",
            )
        for side, index, count in (("user", rows.user, self.n_users), ("item", rows.item, self.n_items)):
            lowest, highest = int(index.min()), int(index.max())
            if lowest < 0 or highest >= count:
                expected = f"indices from 0 to {count - 1}"
                raise DataError(f"column {side}", expected=expected, found=f"{lowest} to {highest}")

    def _fresh_network(self, keras: Any, rows: TrainingRows) -> keras.Model:
        network = self.model.build(n_users=self.n_users, n_items=self.n_items)
        # no step ever touches these rows: what is zero now is zero in the end
        clear(network, "user", ~_present(rows.user, self.n_users))
        clear(network, "item", ~_present(rows.item, self.n_items))
        network.compile(
            optimizer=self._optimizer(keras),
            loss=self.settings.loss,
            # once more, since what Keras calls "loss" has the penalties in it
            metrics=[self.settings.loss],
            steps_per_execution=max(1, min(_STEPS_IN_A_CALL, _ROWS_IN_A_CALL // self.settings.batch_size)),
            jit_compile=False,
        )
        return network

    def _optimizer(self, keras: Any) -> Any:
        if self.settings.optimizer == "adam":
            return keras.optimizers.Adam(self.settings.learning_rate)
        return keras.optimizers.SGD(self.settings.learning_rate, momentum=self.settings.momentum)

    def _early_stopping(self, keras: Any) -> Any:
        if self.settings.early_stopping is None:
            return None
        return keras.callbacks.EarlyStopping(
            monitor=f"val_{self.settings.loss}",
            mode="min",
            patience=self.settings.early_stopping,
            restore_best_weights=True,
        )

    def _batches(self, rows: TrainingRows, scaling: TargetScaling, *, shuffle_seed: int | None = None) -> Any:
        size = self.settings.batch_size
        if shuffle_seed is None:
            size = max(size, _VALIDATION_BATCH_SIZE)
        return dataset(rows, scaling.transform(rows.rating), batch_size=size, shuffle_seed=shuffle_seed)

    def _bare(self, network: keras.Model) -> keras.Model:
        """The same network without the optimizer, whose state would double or treble a saved file."""
        bare = self.model.build(n_users=self.n_users, n_items=self.n_items)
        bare.set_weights(network.get_weights())
        return bare

    def _clip(self, rows: TrainingRows) -> tuple[float, float] | None:
        if not self.settings.clip:
            return None
        return self.rating_range or (float(rows.rating.min()), float(rows.rating.max()))


def _present(index: I32, count: int) -> Flags:
    present = np.zeros(count, dtype=np.bool_)
    present[index] = True
    return present


def load_keras() -> Any:
    """Keras on TensorFlow, imported as fits need it. Takes seconds, so a job may call it ahead of time."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's notes on its build would fill the log
    # its results differ from one kind of CPU to the next, and it trains these models no faster
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    return keras


def _deterministic_keras(seed: int) -> Any:
    """Keras, seeded, with deterministic operations."""
    keras = load_keras()
    import tensorflow as tf

    # each fit traces a network of its own, which TensorFlow takes for a mistake after a few
    tf.get_logger().setLevel("ERROR")
    keras.utils.set_random_seed(seed % 2**32)
    tf.config.experimental.enable_op_determinism()
    return keras
