"""What a fit is asked for, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from recsys_spark.kernels.arrays import F32, I32, Flags
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.model import Model
from recsys_spark.models.warm import Weights, weights_of
from recsys_spark.training.checkpoints import KeptFit
from recsys_spark.training.epochs import EpochClock, EpochResult
from recsys_spark.training.target import Target

if TYPE_CHECKING:
    import keras

SAMPLES = "samples"
"""Name of the scorer that holds samples of the posterior."""

_ROWS_AT_ONCE = 1 << 22
"""Of columns that may lie on disk."""

_PAIRS_IN_A_BATCH = 8192


class Wanted(NamedTuple):
    """What is asked of one fit beside its rows."""

    name: str
    """Of the fit."""

    epochs: int
    """Passes over the rows; with early stopping, at most."""

    target: Target
    """What is learned."""

    clip: tuple[float, float] | None
    """Bounds of published scores, or none."""

    clock: EpochClock
    """Follows the fit."""

    kept: KeptFit
    """The states from which it goes on after a kill."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained network and what is needed to use it.

    Args:
        model: what built the network.
        network: not compiled, without the optimizer's state. An id without a row in the fit has zeros for its vector
            and bias: with a dot product its pairs score the mean and the other side's bias.
        target: what it learned.
        clip: bounds of published scores, or none.
        epochs: after which the weights stand.
        history: of all epochs run; more than `epochs` after early stopping.
        samples: of the posterior, side by side in one wide dot product; none: there are none.
        n_samples: how many they are.
        memory: what a later fit has to know of this one beside the network; arrays by name.
    """

    model: Model
    network: keras.Model
    target: Target
    clip: tuple[float, float] | None
    epochs: int
    history: tuple[EpochResult, ...]
    samples: PairScorer | None = None
    n_samples: int = 0
    memory: Weights = field(default_factory=dict)

    def learned(self) -> Weights:
        """What a later fit can start from."""
        return {**weights_of(self.network), **self.memory}

    def scorers(self) -> dict[str, PairScorer]:
        """The network as plain arrays; see `Model.export`."""
        exported = self.model.export(self.network, scale=self.target.scale, offset=self.target.offset, clip=self.clip)
        return exported if self.samples is None else exported | {SAMPLES: self.samples}

    def predict(self, users: I32, items: I32) -> F32:
        """What Keras itself says about some pairs.

        Args:
            users: i32[n].
            items: i32[n].

        Returns:
            f32[n], in rating units, not clipped.
        """
        output = self.network.predict({"user": users, "item": items}, batch_size=_PAIRS_IN_A_BATCH, verbose=0)
        return self.target.ratings(output)


def present(index: I32, count: int) -> Flags:
    """Which of so many users or items have a row: bool[count]."""
    found = np.zeros(count, dtype=np.bool_)
    for start in range(0, len(index), _ROWS_AT_ONCE):
        found[index[start : start + _ROWS_AT_ONCE]] = True
    return found
