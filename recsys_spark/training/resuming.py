"""A fit that goes on: all that the next epochs depend on, taken out of Keras and put back to the bit.

That is the network's variables with the random states of its dropout, the optimizer's (for the sampler: momenta and
variances), and what early stopping remembers. The order of the rows depends on the seed and the epoch alone (`feed`).

Import this module only where Keras is loaded already.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from recsys_spark.training.checkpoints import Arrays, FitState, KeptFit
from recsys_spark.training.epochs import EpochClock

_REMEMBERED = ("wait", "best", "best_epoch")
"""Of early stopping, beside the best weights."""


class KeepingStates(keras.callbacks.Callback):
    """Puts back the state that a fit goes on from when it begins, and keeps states from time to time.

    It comes after all other callbacks, so that what it keeps is complete. The end of a fit is for its caller to keep.

    Args:
        kept: where.
        before: the state to go on from; none: the fit begins anew.
        clock: whose history is part of the state.
        epochs: at most.
        stopping: the callback for early stopping, if there is one.
        others: further arrays that the caller wants kept, taken when a state is.
    """

    def __init__(
        self,
        kept: KeptFit,
        before: FitState | None,
        clock: EpochClock,
        *,
        epochs: int,
        stopping: Any = None,
        others: Callable[[], Arrays] = dict,
    ) -> None:
        super().__init__()
        self._kept, self._before, self._clock = kept, before, clock
        self._epochs, self._stopping, self._others = epochs, stopping, others

    def on_train_begin(self, logs: Any = None) -> None:
        """Put the state back; other callbacks have just forgotten theirs."""
        if self._before is None:
            return
        arrays = self._before.arrays
        self.model.optimizer.build(self.model.trainable_variables)
        for name, variable in _variables(self.model).items():
            variable.assign(arrays[name])
        self._clock.history[:] = self._before.history
        if self._stopping is not None:
            for name, value in self._before.values["stopping"].items():
                setattr(self._stopping, name, value)
            self._stopping.best_weights = [arrays[name] for name in sorted(arrays) if name.startswith("best/")] or None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keep a state if it is time; not after the last epoch, whose outcome is kept instead."""
        if epoch + 1 < self._epochs and not self.model.stop_training and self._kept.is_due():
            self._kept.keep(self._state(epoch + 1))

    def _state(self, epoch: int) -> FitState:
        arrays = {name: variable.numpy() for name, variable in _variables(self.model).items()}
        values: dict[str, Any] = {}
        if self._stopping is not None:
            values["stopping"] = {name: getattr(self._stopping, name) for name in _REMEMBERED}
            arrays |= weight_arrays("best", self._stopping.best_weights or [])
        return FitState(epoch, False, {**arrays, **self._others()}, tuple(self._clock.history), values)


def weight_arrays(name: str, weights: list[Any]) -> dict[str, Any]:
    """What Keras' `get_weights` gives, by names that sort into its order."""
    return {f"{name}/{number:04d}": array for number, array in enumerate(weights)}


def _variables(network: keras.Model) -> dict[str, Any]:
    named = (("network", network.variables), ("optimizer", network.optimizer.variables))
    return {f"{name}/{n:04d}": variable for name, found in named for n, variable in enumerate(found)}
