"""One fit: fresh weights, some rows, some epochs; the same rows, settings and seed give the same weights to the bit.

TensorFlow's operations are made deterministic, which is a switch of the whole process that cannot be turned back; so
is the seed of Python's, numpy's and TensorFlow's random numbers. On a CPU this costs nothing, with XLA or without.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recsys_spark.errors import DataError
from recsys_spark.models.embedding import clear
from recsys_spark.models.model import Model
from recsys_spark.models.posterior_mf import PosteriorMf
from recsys_spark.models.sides import Sides
from recsys_spark.models.warm import carry_over
from recsys_spark.training.callbacks import early_stopping, on_request, timekeeping
from recsys_spark.training.compiling import compile_for, loss_name
from recsys_spark.training.epochs import EpochClock, Watcher, nobody
from recsys_spark.training.feed import TrainingRows, dataset
from recsys_spark.training.fitted import Fitted, Wanted, present
from recsys_spark.training.settings import TrainingSettings
from recsys_spark.training.target import RatingLevels, Target, TargetScaling

if TYPE_CHECKING:
    import keras

_VALIDATION_BATCH_SIZE = 8192
"""Rows; at least: no gradient is kept, so larger steps than in training only save calls."""

SidesOf = Callable[[TrainingRows], Sides]
"""The users and items as a fit of some rows may know them: features are scaled by these rows, and by no others."""


@dataclass(frozen=True)
class Trainer:
    """What the fits of one run have in common.

    Args:
        model: what is fitted.
        settings: how.
        sides_of: the users and items, as the rows of a fit show them.
        rating_range: lowest and highest valid rating, for clipping; none: those of the fit's rows.
        watcher: told where a fit stands.
    """

    model: Model
    settings: TrainingSettings
    sides_of: SidesOf
    rating_range: tuple[float, float] | None = None
    watcher: Watcher = nobody

    def fit(
        self,
        name: str,
        rows: TrainingRows,
        *,
        epochs: int,
        validation: TrainingRows | None = None,
        start: keras.Model | None = None,
    ) -> Fitted:
        """Fit a network.

        Args:
            name: of the fit, for the history and the watcher.
            rows: what is fitted; targets and features are scaled by these rows.
            epochs: passes over the rows; with early stopping, at most.
            validation: measured after each epoch. With `settings.early_stopping` training stops by it, and the weights
                of the best epoch are taken.
            start: a network of the same model whose weights are the first ones; none: fresh weights.

        Raises:
            DataError: no rows, an index beyond the number of users or items, the loss is not finite, or `start` does
                not fit.
        """
        sides = self.sides_of(rows)
        _check(name, rows, sides)
        _seed_keras(self.settings.seed)
        target, clock = self._target(rows), self._clock(name, rows, epochs=epochs)
        if isinstance(self.model, PosteriorMf):
            from recsys_spark.training.posterior import sample_posterior

            wanted = Wanted(name, epochs, target, self._clip(rows), clock)
            return sample_posterior(self.model, self.settings, wanted, rows, sides, validation=validation, start=start)
        network = self._fresh_network(rows, sides, start)
        batches = self._batches(rows, target, shuffle_seed=self.settings.seed)
        compile_for(network, self.model, self.settings, target, n_rows=len(rows))
        clock.learning_rate = lambda: float(network.optimizer.learning_rate)
        stopping = early_stopping(self.settings, clock.loss) if validation is not None else None
        try:
            network.fit(
                batches,
                validation_data=None if validation is None else self._batches(validation, target),
                epochs=epochs,
                shuffle=False,
                verbose=0,
                callbacks=[
                    timekeeping(clock),
                    *([stopping] if stopping else []),
                    *on_request(self.settings, name, network),
                ],
            )
        finally:
            clock.fit_ends()
        taken = stopping.best_epoch + 1 if stopping else epochs
        history = tuple(clock.history)
        return Fitted(self.model, self._bare(network, sides), target, self._clip(rows), taken, history)

    def _target(self, rows: TrainingRows) -> Target:
        """What a fit of some rows learns."""
        if self.model.levels is not None:
            return RatingLevels(self.model.levels)
        return TargetScaling.of(rows.rating, self.settings.target)

    def _clip(self, rows: TrainingRows) -> tuple[float, float] | None:
        """The bounds of what a fit of some rows publishes."""
        if not self.settings.clip:
            return None
        return self.rating_range or (float(rows.rating.min()), float(rows.rating.max()))

    def _clock(self, name: str, rows: TrainingRows, *, epochs: int) -> EpochClock:
        """What follows a fit."""
        return EpochClock(
            name,
            epochs=epochs,
            rows=len(rows),
            batch_size=self.settings.batch_size,
            loss=loss_name(self.model, self.settings),
            scale=self._target(rows).scale,
            watcher=self.watcher,
        )

    def _fresh_network(self, rows: TrainingRows, sides: Sides, start: keras.Model | None) -> keras.Model:
        network = self.model.build(sides)
        if start is not None:
            carry_over(start, network)
        # no step ever touches these rows: what is zero now is zero in the end
        clear(network, "user", ~present(rows.user, sides.n_users))
        clear(network, "item", ~present(rows.item, sides.n_items))
        return network

    def _batches(self, rows: TrainingRows, target: Target, *, shuffle_seed: int | None = None) -> Any:
        size = self.settings.batch_size
        if shuffle_seed is None:
            size = max(size, _VALIDATION_BATCH_SIZE)
        return dataset(rows, target.transform, batch_size=size, shuffle_seed=shuffle_seed)

    def _bare(self, network: keras.Model, sides: Sides) -> keras.Model:
        """The same network without the optimizer, whose state would double or treble a saved file."""
        bare = self.model.build(sides)
        bare.set_weights(network.get_weights())
        return bare


def _check(name: str, rows: TrainingRows, sides: Sides) -> None:
    if not len(rows):
        raise DataError(
            f"training ({name})",
            expected="at least one rating to fit",
            found="none",
            hint="take smaller split.test_fraction and split.validation_fraction, or more ratings",
        )
    for side, index, count in (("user", rows.user, sides.n_users), ("item", rows.item, sides.n_items)):
        lowest, highest = int(index.min()), int(index.max())
        if lowest < 0 or highest >= count:
            expected = f"indices from 0 to {count - 1}"
            raise DataError(f"column {side}", expected=expected, found=f"{lowest} to {highest}")


def load_keras() -> Any:
    """Keras on TensorFlow, imported as fits need it. Takes seconds, so a job may call it ahead of time."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's notes on its build would fill the log
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    return keras


def _seed_keras(seed: int) -> None:
    """Seed Keras, and make TensorFlow's operations deterministic."""
    keras = load_keras()
    import tensorflow as tf

    # each fit traces a network of its own, which TensorFlow takes for a mistake after a few
    tf.get_logger().setLevel("ERROR")
    keras.utils.set_random_seed(seed % 2**32)
    tf.config.experimental.enable_op_determinism()
