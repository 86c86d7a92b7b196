"""Bayesian matrix factorisation: the posterior mean of a biased dot product, which is a dot product again.

One sample of the posterior is the network that `build_sample` gives. The mean score over many samples,

    mean_s (p_u^s . q_i^s + b_u^s + c_i^s) = [p_u^1 .. p_u^S] / S . [q_i^1 .. q_i^S] + mean b_u + mean c_i,

is one wide dot product; its best approximation in fewer columns comes from a singular value decomposition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.dot import Dot
from recsys_spark.models.settings import DotSettings, PosteriorMfSettings
from recsys_spark.models.sides import Sides

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class PosteriorMf:
    """output(u, i) = user[u] . item[i] + user_bias[u] + item_bias[i], each a posterior mean.

    It is fitted by sampling (`training/posterior.py`), not by descent.
    """

    settings: PosteriorMfSettings
    levels: ClassVar[None] = None
    uses_features: ClassVar[bool] = False
    gains_from_xla: ClassVar[bool] = True

    def build(self, sides: Sides) -> keras.Model:
        """The network of the compressed mean; see `Model.build`."""
        return self._dot(self.settings.columns).build(sides)

    def build_sample(self, sides: Sides) -> keras.Model:
        """The network of a single sample."""
        return self._dot(self.settings.embedding_size).build(sides)

    def export(
        self, network: keras.Model, *, scale: float, offset: float, clip: tuple[float, float] | None
    ) -> dict[str, PairScorer]:
        """The network as plain arrays; see `Model.export`."""
        return self._dot(self.settings.columns).export(network, scale=scale, offset=offset, clip=clip)

    @staticmethod
    def _dot(columns: int) -> Dot:
        return Dot(DotSettings(embedding_size=columns))
