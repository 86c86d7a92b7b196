"""A multilayer perceptron over a user's and an item's vector side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.dense import dense_network, exported_layers, side_columns
from recsys_spark.models.settings import MlpSettings
from recsys_spark.models.sides import Sides

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Mlp:
    """output(u, i) = linear(hidden(...hidden(concat(user[u], item[i])))), each layer after dropout.

    With features of items it is the hybrid of collaborative and content-based models.
    """

    settings: MlpSettings
    levels: ClassVar[None] = None
    uses_features: ClassVar[bool] = True
    gains_from_xla: ClassVar[bool] = False

    def build(self, sides: Sides) -> keras.Model:
        """A network with fresh weights; see `Model.build`."""
        return dense_network("mlp", self.settings, sides, outputs=1, activation="linear")

    def export(
        self, network: keras.Model, *, scale: float, offset: float, clip: tuple[float, float] | None
    ) -> dict[str, PairScorer]:
        """The network as plain arrays; see `Model.export`."""
        main = PairScorer(
            user=side_columns(network, "user"),
            item=side_columns(network, "item"),
            layers=exported_layers(network),
            scale=scale,
            offset=offset,
            clip=clip,
        )
        return {"main": main}
