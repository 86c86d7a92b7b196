"""A multilayer perceptron over a user's and an item's vector side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recsys_spark.kernels.scorer import DenseLayer, PairScorer
from recsys_spark.models.embedding import embedding, index_inputs, table
from recsys_spark.models.settings import MlpSettings

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Mlp:
    """output(u, i) = linear(hidden(...hidden(concat(user[u], item[i])))), each layer after dropout."""

    settings: MlpSettings

    def build(self, *, n_users: int, n_items: int) -> keras.Model:
        """A network with fresh weights; see `Model.build`."""
        import keras

        size, l2 = self.settings.embedding_size, self.settings.l2
        inputs = index_inputs()
        users = embedding(inputs, "user", count=n_users, size=size, l2=l2)
        items = embedding(inputs, "item", count=n_items, size=size, l2=l2)
        signal = keras.layers.Concatenate(name="pair")([users, items])
        for number, (units, activation) in enumerate(self._layers()):
            if self.settings.dropout > 0:
                signal = keras.layers.Dropout(self.settings.dropout, name=f"dropout_{number}")(signal)
            signal = keras.layers.Dense(units, activation=activation, name=f"dense_{number}")(signal)
        return keras.Model(inputs, signal, name="mlp")

    def export(
        self, network: keras.Model, *, scale: float, offset: float, clip: tuple[float, float] | None
    ) -> dict[str, PairScorer]:
        """The network as plain arrays; see `Model.export`."""
        layers = []
        for number, (_, activation) in enumerate(self._layers()):
            arrays = network.get_layer(f"dense_{number}").get_weights()
            weight, shift = (np.array(array, np.float32, order="C") for array in arrays)
            layers.append(DenseLayer(weight=weight, bias=shift, activation=activation))
        main = PairScorer(
            user=table(network, "user"),
            item=table(network, "item"),
            layers=tuple(layers),
            scale=scale,
            offset=offset,
            clip=clip,
        )
        return {"main": main}

    def _layers(self) -> list[tuple[int, str]]:
        """Units and activation of each dense layer, the linear unit at the end included."""
        return [*((units, self.settings.activation) for units in self.settings.layers), (1, "linear")]
