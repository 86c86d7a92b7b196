"""Several dot products for ranking, folded into one wide dot product.

Scores of different models are of different size. Before they are added, those of each user are divided by their
standard deviation over the items, which is a factor of the user's vector; their mean is left, since it changes no list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from recsys_spark.kernels.arrays import F32
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.preference import preference_network, preference_scorer
from recsys_spark.models.settings import BlendSettings
from recsys_spark.models.sides import Sides

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Blend:
    """output(u, i) = sum over the parts of weight / deviation(u) * part(u, i)."""

    settings: BlendSettings
    levels: ClassVar[None] = None
    uses_features: ClassVar[bool] = False
    gains_from_xla: ClassVar[bool] = False

    def build(self, sides: Sides) -> keras.Model:
        """The network of the folded parts, with fresh weights; see `Model.build`."""
        columns = sum(part.model.embedding_size + (part.model.name in _WITH_BIAS) for part in self.settings.parts)
        return preference_network("blend", sides, size=columns, item_bias=False)

    def export(
        self, network: keras.Model, *, scale: float, offset: float, clip: tuple[float, float] | None
    ) -> dict[str, PairScorer]:
        """The network as plain arrays, in its own units; see `Model.export`."""
        return {"main": preference_scorer(network)}


_WITH_BIAS = ("bpr", "softmax")
"""Models whose items have a bias, which takes a column here."""


def folded(parts: Sequence[PairScorer], weights: Sequence[float], items: F32) -> tuple[F32, F32]:
    """Dot products side by side, each brought to one scale for each user.

    Args:
        parts: dot products of the same users and items, without a bias of the user.
        weights: of the parts.
        items: f32[n_items], 1 for the items whose scores a deviation is taken over, else 0.

    Returns:
        f32[n_users, c] and f32[n_items, c], with a column for the bias of the items of a part that has one. A user
        whose scores are all the same in a part gets nothing from it.

    Example:
        >>> user, item = folded([one, other], [1.0, 0.5], np.ones(n_items, np.float32))
        >>> user.shape[1] == one.user.shape[1] + other.user.shape[1]
        True
    """
    users, sides = [], []
    for part, weight in zip(parts, weights, strict=True):
        user, item = part.user, part.item
        if part.item_bias is not None:
            user = np.concatenate([user, np.ones((len(user), 1), np.float32)], axis=1)
            item = np.concatenate([item, part.item_bias[:, None]], axis=1)
        among = item[items > 0].astype(np.float64)
        # the variance of u . q over the items is u C u, with C the covariance of their vectors
        covariance = np.cov(among, rowvar=False, bias=True).reshape(item.shape[1], item.shape[1])
        variance = np.einsum("uk,uk->u", user @ covariance, user.astype(np.float64))
        trained = part.user.any(axis=1) & (variance > 0)
        factor = np.divide(weight, np.sqrt(variance), out=np.zeros(len(user)), where=trained)
        users.append((user * factor[:, None]).astype(np.float32))
        sides.append(item)
    return np.concatenate(users, axis=1), np.concatenate(sides, axis=1)
