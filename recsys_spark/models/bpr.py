"""Matrix factorisation that learns from pairs of items (`training/objectives/bpr.py`).

Rendle, Freudenthaler, Gantner, Schmidt-Thieme: BPR: Bayesian Personalized Ranking from Implicit Feedback, UAI 2009.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.preference import preference_network, preference_scorer
from recsys_spark.models.settings import BprSettings
from recsys_spark.models.sides import Sides

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Bpr:
    """output(u, i) = user[u] . item[i] + item_bias[i]: higher for what a user likes."""

    settings: BprSettings
    levels: ClassVar[None] = None
    uses_features: ClassVar[bool] = False
    gains_from_xla: ClassVar[bool] = False

    def build(self, sides: Sides) -> keras.Model:
        """A network with fresh weights; see `Model.build`."""
        return preference_network("bpr", sides, size=self.settings.embedding_size, item_bias=True)

    def export(
        self, network: keras.Model, *, scale: float, offset: float, clip: tuple[float, float] | None
    ) -> dict[str, PairScorer]:
        """The network as plain arrays, in its own units; see `Model.export`."""
        return {"main": preference_scorer(network)}
