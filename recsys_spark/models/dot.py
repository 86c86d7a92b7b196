"""Matrix factorisation: the dot product of a user's and an item's vector, with or without biases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.embedding import bias, embedding, index_inputs, table
from recsys_spark.models.settings import DotSettings

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Dot:
    """output(u, i) = user[u] . item[i] + user_bias[u] + item_bias[i]."""

    settings: DotSettings

    def build(self, *, n_users: int, n_items: int) -> keras.Model:
        """A network with fresh weights; see `Model.build`."""
        import keras

        size, l2 = self.settings.embedding_size, self.settings.l2
        inputs = index_inputs()
        users = embedding(inputs, "user", count=n_users, size=size, l2=l2)
        items = embedding(inputs, "item", count=n_items, size=size, l2=l2)
        score = keras.layers.Dot(axes=1, name="dot")([users, items])
        if self.settings.biases:
            of_user = bias(inputs, "user", count=n_users, l2=l2)
            of_item = bias(inputs, "item", count=n_items, l2=l2)
            score = keras.layers.Add(name="score")([score, of_user, of_item])
        return keras.Model(inputs, score, name="dot")

    def export(
        self, network: keras.Model, *, scale: float, offset: float, clip: tuple[float, float] | None
    ) -> dict[str, PairScorer]:
        """The network as plain arrays; see `Model.export`."""
        biases = self.settings.biases
        main = PairScorer(
            user=table(network, "user"),
            item=table(network, "item"),
            user_bias=table(network, "user", "bias")[:, 0].copy() if biases else None,
            item_bias=table(network, "item", "bias")[:, 0].copy() if biases else None,
            scale=scale,
            offset=offset,
            clip=clip,
        )
        return {"main": main}
