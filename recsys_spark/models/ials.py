"""Implicit matrix factorisation, fitted by gradients (`training/objectives/ials.py`).

Hu, Koren, Volinsky: Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008; the weights of the penalty after
Rendle, Krichene, Zhang, Koren: Revisiting the Performance of iALS on Item Recommendation Benchmarks, RecSys 2022.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.preference import preference_network, preference_scorer
from recsys_spark.models.settings import IalsSettings
from recsys_spark.models.sides import Sides

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Ials:
    """output(u, i) = user[u] . item[i]: near 1 for what a user likes, near 0 for all else."""

    settings: IalsSettings
    levels: ClassVar[None] = None
    uses_features: ClassVar[bool] = False
    gains_from_xla: ClassVar[bool] = False

    def build(self, sides: Sides) -> keras.Model:
        """A network with fresh weights; see `Model.build`."""
        return preference_network("ials", sides, size=self.settings.embedding_size, item_bias=False)

    def export(
        self, network: keras.Model, *, scale: float, offset: float, clip: tuple[float, float] | None
    ) -> dict[str, PairScorer]:
        """The network as plain arrays, in its own units; see `Model.export`."""
        return {"main": preference_scorer(network)}
