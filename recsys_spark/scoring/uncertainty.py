"""How sure a model is of a score: the standard deviation over samples of its posterior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys_spark.kernels.arrays import F32, I32
from recsys_spark.kernels.scorer import PairScorer

_NUMBERS_AT_ONCE = 1 << 22
"""Products held at a time: 16 MB."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples of a posterior, side by side in one dot product.

    Args:
        scorer: its score is the mean of the samples' scores.
        count: samples; each has the same number of columns.
    """

    scorer: PairScorer
    count: int

    def deviations(self, users: I32, items: I32) -> F32:
        """The standard deviation of the scores of some pairs (with n - 1 in its denominator).

        Args:
            users: i32[n], indices.
            items: i32[n], indices.

        Returns:
            f32[n], in rating units.
        """
        spread = np.empty(len(users), np.float32)
        width = self.scorer.user.shape[1]
        at_once = max(1, _NUMBERS_AT_ONCE // width)
        for start in range(0, len(users), at_once):
            part = slice(start, start + at_once)
            products = self.scorer.user[users[part]] * self.scorer.item[items[part]]
            scores = products.reshape(-1, self.count, width // self.count).sum(axis=2)
            # the scorer's scale makes a mean of the sum over all samples
            spread[part] = scores.std(axis=1, ddof=1) * np.float32(self.scorer.scale * self.count)
        return spread
