"""What a network learns: ratings, or ratings moved and divided so that they lie around zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from recsys_spark.kernels.arrays import F32


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
        deviation = float(np.std(ratings, dtype=np.float64))
        return cls(offset=mean, scale=deviation if deviation > 0 else 1.0)

    def transform(self, ratings: F32) -> F32:
        """Ratings as targets, f32[n]."""
        return (ratings - np.float32(self.offset)) / np.float32(self.scale)

    def inverse(self, targets: F32) -> F32:
        """Targets, or what a network predicts, in rating units, f32[n]."""
        return targets * np.float32(self.scale) + np.float32(self.offset)
