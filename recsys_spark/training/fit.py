"""One fit: first weights, some rows, some epochs; the same rows, settings and seed give the same weights to the bit.

That holds for a fit that was killed and goes on from a state that it kept, too (`checkpoints`, `resuming`).

TensorFlow's operations are made deterministic, which is a switch of the whole process that cannot be turned back; so
is the seed of Python's, numpy's and TensorFlow's random numbers. On a CPU this costs nothing, with XLA or without.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys_spark.errors import DataError
from recsys_spark.models.blend import Blend
from recsys_spark.models.embedding import clear
from recsys_spark.models.model import Model
from recsys_spark.models.posterior_mf import PosteriorMf
from recsys_spark.models.registry import model_for
from recsys_spark.models.settings import BlendPart
from recsys_spark.models.sides import SIDES, Sides
from recsys_spark.models.warm import Weights, carry_over, shrunk
from recsys_spark.training.blending import blended, own_settings
from recsys_spark.training.callbacks import early_stopping, on_request, timekeeping
from recsys_spark.training.checkpoints import Checkpoints, FitState, KeptFit, fit_key
from recsys_spark.training.compiling import compile_for, loss_name
from recsys_spark.training.epochs import EpochClock, Watcher, nobody
from recsys_spark.training.feed import EpochOrder, TrainingRows, dataset
from recsys_spark.training.fitted import Fitted, Wanted, present
from recsys_spark.training.recency import Recency
from recsys_spark.training.settings import TrainingSettings
from recsys_spark.training.target import RatingLevels, Target, TargetScaling

if TYPE_CHECKING:
    import keras

_VALIDATION_BATCH_SIZE = 8192
"""Rows; at least: no gradient is kept, so larger steps than in training only save calls."""

_LESS_BURN_IN = 20
"""So many times less of a sampler's burn-in if it starts at an earlier posterior mean: on MovieLens 100K the mean of as
many samples was the nearer to that of a cold start, the sooner they began (`benchmarks/warm_start.py`)."""

_CHANGES_NO_WEIGHT = {"clip", "refit", "warm_start", "scratch", "checkpoints", "checkpoint_seconds", "tensorboard"}
"""Settings of the training that a fit's weights do not depend on, beside rows, epochs and first weights."""

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
        checkpoints: where fits keep states to go on from; none: they keep none.
        part: position of the model in a blend; none: it is in none.
    """

    model: Model
    settings: TrainingSettings
    sides_of: SidesOf
    rating_range: tuple[float, float] | None = None
    watcher: Watcher = nobody
    checkpoints: Checkpoints | None = None
    part: int | None = None

    def fit(
        self,
        name: str,
        rows: TrainingRows,
        *,
        epochs: int,
        validation: TrainingRows | None = None,
        start: Weights | None = None,
    ) -> Fitted:
        """Fit a network.

        Args:
            name: of the fit, for the history and the watcher.
            rows: what is fitted; targets and features are scaled by these rows.
            epochs: passes over the rows; with early stopping, at most.
            validation: measured after each epoch. With `settings.early_stopping` training stops by it, and the weights
                of the best epoch are taken.
            start: of a network of the same model, which are the first ones; none: fresh weights.

        Raises:
            DataError: no rows, an index beyond the number of users or items, the loss is not finite, or `start` does
                not fit.
        """
        sides = self.sides_of(rows)
        _check(name, rows, sides)
        _seed_keras(self.settings.seed)
        if isinstance(self.model, Blend):
            return blended(self.model, lambda part, n: self._part(part, n, name, rows, validation), sides)
        kept = self._kept(name, epochs, (rows, validation), sides, start)
        clock = self._clock(name, rows, epochs=epochs)
        wanted = Wanted(name, epochs, self._target(rows), self._clip(rows), clock, kept)
        if isinstance(self.model, PosteriorMf):
            from recsys_spark.training.posterior import sample_posterior

            return sample_posterior(self.model, self.settings, wanted, rows, sides, validation=validation, start=start)
        if self.settings.objective == "ranking":
            from recsys_spark.training.ranking_fit import fit_ranking

            return fit_ranking(self.model, self.settings, wanted, rows, sides, validation=validation, start=start)
        return self._descend(wanted, rows, sides, validation=validation, start=start)

    def warm(self) -> Trainer:
        """The same for fits that start warm: fewer epochs, and hardly any to find the way to a posterior."""
        epochs = self.settings.warm_epochs or -(-self.settings.epochs // 2)
        model = self.model
        if isinstance(model, PosteriorMf):
            burn_in = max(1, min(model.settings.burn_in // _LESS_BURN_IN, epochs // 2))
            model = replace(model, settings=model.settings.model_copy(update={"burn_in": burn_in}))
        return replace(self, model=model, settings=self.settings.model_copy(update={"epochs": epochs}))

    def _descend(
        self,
        wanted: Wanted,
        rows: TrainingRows,
        sides: Sides,
        *,
        validation: TrainingRows | None,
        start: Weights | None,
    ) -> Fitted:
        """Fit by gradients; arguments as of `fit`."""
        from recsys_spark.training.resuming import KeepingStates, weight_arrays

        _, epochs, target, clip, clock, kept = wanted
        before = kept.last()
        if before is not None and before.over:
            outcome = self._network(sides, [before.arrays[name] for name in sorted(before.arrays)])
            return Fitted(self.model, outcome, target, clip, before.values["epochs"], before.history)
        network, order = self._first_network(rows, sides, start), EpochOrder(self.settings.seed)
        compile_for(network, self.model, self.settings, target, n_rows=len(rows))
        clock.learning_rate = lambda: float(network.optimizer.learning_rate)
        stopping = early_stopping(self.settings, f"val_{clock.loss}") if validation is not None else None
        try:
            network.fit(
                self._batches(rows, target, order, Recency.of(rows, self.settings.half_life_days)),
                validation_data=None if validation is None else self._batches(validation, target),
                epochs=epochs,
                initial_epoch=before.epoch if before else 0,
                shuffle=False,
                verbose=0,
                callbacks=[
                    timekeeping(clock, order),
                    *([stopping] if stopping else []),
                    *on_request(self.settings, wanted.name, network),
                    KeepingStates(kept, before, clock, epochs=epochs, stopping=stopping),
                ],
            )
        finally:
            clock.fit_ends()
        taken, history = stopping.best_epoch + 1 if stopping else epochs, tuple(clock.history)
        weights = network.get_weights()
        kept.keep(FitState(len(history), True, weight_arrays("network", weights), history, {"epochs": taken}))
        return Fitted(self.model, self._network(sides, weights), target, clip, taken, history)

    def _part(
        self, part: BlendPart, number: int, name: str, rows: TrainingRows, validation: TrainingRows | None
    ) -> Fitted:
        """Fit a part of a blend."""
        own = replace(self, model=model_for(part.model), settings=own_settings(self.settings, part), part=number)
        return own.fit(name, rows, epochs=own.settings.epochs, validation=validation)

    def _kept(
        self,
        name: str,
        epochs: int,
        rows: tuple[TrainingRows, TrainingRows | None],
        sides: Sides,
        start: Weights | None,
    ) -> KeptFit:
        """The states that a fit keeps, by all that its weights depend on."""
        if self.checkpoints is None:
            return KeptFit(None, name, "")
        name = name if self.part is None else f"{name}_{self.part}"
        training = self.settings.model_dump(mode="json", exclude=_CHANGES_NO_WEIGHT)
        counts = {"n_users": sides.n_users, "n_items": sides.n_items}
        known = {str(side): sides.features(side) for side in SIDES}
        values = {"fit": name, "epochs": epochs, "model": repr(self.model), "training": training, **counts}
        return self.checkpoints.of(name, fit_key(values, rows, (known, start or {})))

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
        batch_size = self.settings.batch_size
        if self.settings.objective == "ranking":
            # of users, so that many rows on average
            batch_size = -(-batch_size * len(rows) // max(1, len(np.unique(rows.user))))
        return EpochClock(
            name,
            epochs=epochs,
            rows=len(rows),
            batch_size=batch_size,
            loss=loss_name(self.model, self.settings),
            scale=self._target(rows).scale,
            watcher=self.watcher,
        )

    def _first_network(self, rows: TrainingRows, sides: Sides, start: Weights | None) -> keras.Model:
        network = self.model.build(sides)
        if start is not None:
            carry_over(shrunk(start, self.settings.warm_shrink), network)
        # no step ever touches these rows: what is zero now is zero in the end
        clear(network, "user", ~present(rows.user, sides.n_users))
        clear(network, "item", ~present(rows.item, sides.n_items))
        return network

    def _batches(
        self, rows: TrainingRows, target: Target, order: EpochOrder | None = None, recency: Recency | None = None
    ) -> Any:
        size = self.settings.batch_size
        if order is None:
            size = max(size, _VALIDATION_BATCH_SIZE)
        to_weight = None if recency is None else recency.relative
        return dataset(rows, target.transform, batch_size=size, order=order, to_weight=to_weight)

    def _network(self, sides: Sides, weights: list[Any]) -> keras.Model:
        """A network with these weights and without an optimizer, whose state would double or treble a saved file."""
        bare = self.model.build(sides)
        bare.set_weights(weights)
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
