"""A classifier of rating levels: how likely each level is, and the level to be expected."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.dense import dense_network, exported_layers, side_columns
from recsys_spark.models.settings import ClassifierSettings
from recsys_spark.models.sides import Sides

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Classifier:
    """p(level | u, i) = softmax(hidden(...hidden(concat(user[u], item[i])))); score = sum of p(level) * level."""

    settings: ClassifierSettings
    uses_features: ClassVar[bool] = True
    gains_from_xla: ClassVar[bool] = False

    @property
    def levels(self) -> tuple[float, ...]:
        """The rating levels; see `Model.levels`."""
        return self.settings.levels

    def build(self, sides: Sides) -> keras.Model:
        """A network with fresh weights; see `Model.build`."""
        return dense_network("classifier", self.settings, sides, outputs=len(self.levels), activation="softmax")

    def export(
        self, network: keras.Model, *, scale: float, offset: float, clip: tuple[float, float] | None
    ) -> dict[str, PairScorer]:
        """The network as plain arrays, with logits instead of probabilities; see `Model.export`."""
        *hidden, output = exported_layers(network)
        main = PairScorer(
            user=side_columns(network, "user"),
            item=side_columns(network, "item"),
            layers=(*hidden, replace(output, activation="linear")),
            levels=np.array(self.levels, np.float32),
            scale=scale,
            offset=offset,
            clip=clip,
        )
        return {"main": main}
