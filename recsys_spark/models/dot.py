"""Matrix factorisation: the dot product of a user's and an item's vector, with or without biases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from recsys_spark.kernels.arrays import F32
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.embedding import bias, embedding, features, has, index_inputs, table
from recsys_spark.models.settings import DotSettings
from recsys_spark.models.sides import Side, Sides

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Dot:
    """output(u, i) = vector(u) . vector(i) + bias(u) + bias(i).

    With features f, vector(x) = embedding[x] + f[x] @ W and bias(x) = b[x] + f[x] @ w, so that a new item with
    features has a vector before it has a rating (Chen et al., SVDFeature, 2012).
    """

    settings: DotSettings
    levels: ClassVar[None] = None
    uses_features: ClassVar[bool] = True
    gains_from_xla: ClassVar[bool] = True

    def build(self, sides: Sides) -> keras.Model:
        """A network with fresh weights; see `Model.build`."""
        import keras

        inputs = index_inputs()
        of_user, of_item = self._side(inputs, "user", sides), self._side(inputs, "item", sides)
        score = keras.layers.Dot(axes=1, name="dot")([of_user[0], of_item[0]])
        biases = [*of_user[1:], *of_item[1:]]
        if biases:
            score = keras.layers.Add(name="score")([score, *biases])
        return keras.Model(inputs, score, name="dot")

    def export(
        self, network: keras.Model, *, scale: float, offset: float, clip: tuple[float, float] | None
    ) -> dict[str, PairScorer]:
        """The network as plain arrays; see `Model.export`."""
        biases = self.settings.biases
        main = PairScorer(
            user=_with_features(network, "user", "embedding"),
            item=_with_features(network, "item", "embedding"),
            user_bias=_with_features(network, "user", "bias")[:, 0].copy() if biases else None,
            item_bias=_with_features(network, "item", "bias")[:, 0].copy() if biases else None,
            scale=scale,
            offset=offset,
            clip=clip,
        )
        return {"main": main}

    def _side(self, inputs: dict[Side, Any], side: Side, sides: Sides) -> list[Any]:
        """The vectors of a batch, and behind them its biases, if there are any."""
        import keras

        count, size, l2 = sides.count(side), self.settings.embedding_size, self.settings.l2
        parts = [embedding(inputs, side, count=count, size=size, l2=l2)]
        if self.settings.biases:
            parts.append(bias(inputs, side, count=count, l2=l2))
        known = features(inputs, side, sides)
        if known is None:
            return parts
        added = []
        for what, part in zip(("embedding", "bias"), parts, strict=False):
            of_features = keras.layers.Dense(part.shape[1], use_bias=False, name=f"{side}_{what}_of_features")(known)
            added.append(keras.layers.Add(name=f"{side}_{what}_sum")([part, of_features]))
        return added


def _with_features(network: keras.Model, side: Side, what: Any) -> F32:
    """A table with what the features add to it."""
    weights, layer = table(network, side, what), f"{side}_{what}_of_features"
    if not has(network, layer):
        return weights
    (projection,) = network.get_layer(layer).get_weights()
    summed: F32 = weights + table(network, side, "features") @ projection
    return summed
