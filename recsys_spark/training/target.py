"""What a network learns: ratings moved and divided so that they lie around zero, or one of several rating levels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt

from recsys_spark.kernels.arrays import F32, I32


class Target(Protocol):
    """From ratings to what the network is compared with, and back from what it says.

    Attributes:
        offset: in rating units.
        scale: one unit of the network's error in rating units.
    """

    @property
    def offset(self) -> float: ...  # noqa: D102 - see above

    @property
    def scale(self) -> float: ...  # noqa: D102

    def transform(self, ratings: F32) -> npt.NDArray[Any]:
        """Ratings f32[n] as targets [n]."""
        ...

    def ratings(self, output: F32) -> F32:
        """What the network says, f32[n, outputs], in rating units: f32[n]."""
        ...

    def metrics(self) -> list[Any]:
        """Keras metrics `mse` and `mae`, in units of the target."""
        ...


@dataclass(frozen=True)
class TargetScaling:
    """target = (rating - offset) / scale.

    Args:
        offset: in rating units.
        scale: in rating units, above zero.
    """

    offset: float = 0.0
    scale: float = 1.0

    @classmethod
    def of(cls, ratings: F32, target: Literal["none", "centred", "standardised"]) -> Self:
        """The scaling of the rows of one fit, and of no others: held-out ratings must not leak into it.

        Args:
            ratings: f32[n], at least one, summed as float64 in their order.
            target: none: ratings as they are; centred: minus their mean; standardised: also divided by their standard
                deviation (by 1 where all ratings are equal).
        """
        if target == "none":
            return cls()
        mean = float(np.mean(ratings, dtype=np.float64))
        if target == "centred":
            return cls(offset=mean)
        deviation = math.sqrt(variance(ratings, mean))
        return cls(offset=mean, scale=deviation if deviation > 0 else 1.0)

    def transform(self, ratings: F32) -> F32:
        """Ratings as targets, f32[n]."""
        return (ratings - np.float32(self.offset)) / np.float32(self.scale)

    def inverse(self, targets: F32) -> F32:
        """Targets, or what a network predicts, in rating units, f32[n]."""
        return targets * np.float32(self.scale) + np.float32(self.offset)

    def ratings(self, output: F32) -> F32:
        """See `Target.ratings`."""
        return self.inverse(output[:, 0])

    def metrics(self) -> list[Any]:
        """See `Target.metrics`."""
        return ["mse", "mae"]


@dataclass(frozen=True)
class RatingLevels:
    """target = position of the level nearest to the rating; of two equally near the lower one.

    Args:
        levels: ascending, in rating units.
    """

    levels: tuple[float, ...]
    offset: ClassVar[float] = 0.0
    scale: ClassVar[float] = 1.0

    def transform(self, ratings: F32) -> I32:
        """Ratings as positions of levels, i32[n]."""
        levels = np.array(self.levels, np.float32)
        between = (levels[1:] + levels[:-1]) / 2
        return np.searchsorted(between, ratings, side="left").astype(np.int32)

    def ratings(self, output: F32) -> F32:
        """The expected levels of probabilities f32[n, levels]; see `Target.ratings`."""
        return output @ np.array(self.levels, np.float32)

    def metrics(self) -> list[Any]:
        """See `Target.metrics`; `cross_entropy` besides, which the network learns by."""
        import keras

        levels = keras.ops.convert_to_tensor(np.array(self.levels, np.float32))

        def error(truth: Any, output: Any) -> Any:
            expected = keras.ops.sum(output * levels, axis=-1)
            return keras.ops.take(levels, keras.ops.cast(truth[:, 0], "int32")) - expected

        def squared(truth: Any, output: Any) -> Any:
            return keras.ops.square(error(truth, output))

        def absolute(truth: Any, output: Any) -> Any:
            return keras.ops.absolute(error(truth, output))

        return [
            keras.metrics.MeanMetricWrapper(squared, name="mse"),
            keras.metrics.MeanMetricWrapper(absolute, name="mae"),
            keras.metrics.SparseCategoricalCrossentropy(name=CROSS_ENTROPY),
        ]


def variance(ratings: F32, mean: float) -> float:
    """The variance of ratings whose mean is known; some at a time, since they may lie on disk."""
    squares = sum(
        float(np.sum((ratings[start : start + _ROWS_AT_ONCE] - mean) ** 2, dtype=np.float64))
        for start in range(0, len(ratings), _ROWS_AT_ONCE)
    )
    return squares / len(ratings)


_ROWS_AT_ONCE = 1 << 22

CROSS_ENTROPY = "cross_entropy"
"""Name of the loss of `RatingLevels` among its metrics."""
