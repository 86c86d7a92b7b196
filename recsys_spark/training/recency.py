"""What a rating counts by its age: half as much after each half-life.

As in Ding, Li: Time Weight Collaborative Filtering, CIKM 2005.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from recsys_spark.kernels.arrays import F32
from recsys_spark.training.rows import TrainingRows

LEAST = 1e-6
"""No rating counts less: sums of weights stay above 0."""

ToWeight = Callable[[F32], F32]
"""From days f32[m] to weights f32[m]."""


@dataclass(frozen=True)
class Recency:
    """Weights of ratings by their days.

    Args:
        half_life: in days.
        newest: the day that counts 1, since 1970 (UTC); later ones do not count more.
        oldest: the day that ratings without a time are taken to be of.
        mean: of the weights of the rows that these days are of.
    """

    half_life: float
    newest: float
    oldest: float
    mean: float = 1.0

    @classmethod
    def of(cls, rows: TrainingRows, half_life: float | None) -> Self | None:
        """By the rows of a fit; none without a half-life.

        Raises:
            ValueError: the rows have no days.
        """
        if half_life is None:
            return None
        if rows.day is None:
            raise ValueError("rows without days")
        ends = [(np.nanmin(c.day), np.nanmax(c.day)) for c in rows.chunks() if c.day is not None and _any_known(c.day)]
        oldest, newest = (min(e[0] for e in ends), max(e[1] for e in ends)) if ends else (0.0, 0.0)
        bare = cls(half_life, float(newest), float(oldest))
        total = sum(float(bare.weights(c.day).sum(dtype=np.float64)) for c in rows.chunks() if c.day is not None)
        return cls(half_life, float(newest), float(oldest), total / max(len(rows), 1))

    def weights(self, day: F32) -> F32:
        """2^(-age / half-life) of each rating, 1 for the newest: f32[m] of days f32[m], NaN: not known."""
        known = np.where(np.isnan(day), np.float32(self.oldest), day)
        age = np.maximum(np.float32(self.newest) - known, 0)
        return np.maximum(np.exp2(-age.astype(np.float64) / self.half_life), LEAST).astype(np.float32)

    def relative(self, day: F32) -> F32:
        """The same divided by their mean: losses of ratings keep their size."""
        return (self.weights(day) / self.mean).astype(np.float32)

    def as_dict(self) -> dict[str, float]:
        """What a model in use needs to know of it, beside the half-life."""
        return {"newest_day": self.newest, "oldest_day": self.oldest, "mean_weight": self.mean}

    @classmethod
    def of_dict(cls, stored: dict[str, float], half_life: float | None) -> Self | None:
        """From `as_dict`; none without a half-life."""
        if half_life is None:
            return None
        return cls(half_life, stored["newest_day"], stored["oldest_day"], stored["mean_weight"])


def _any_known(day: F32) -> bool:
    return not bool(np.isnan(day).all())
