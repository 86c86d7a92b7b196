"""One model for both questions: implicit matrix factorisation for the order, with a rating head on the same vectors.

It is fitted by `training/objectives/joint.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.embedding import bias, embedding, index_inputs, table
from recsys_spark.models.settings import JointSettings
from recsys_spark.models.sides import Sides

if TYPE_CHECKING:
    import keras

RATING = "rating"
"""The scorer, and the network's output, that predicts ratings."""


@dataclass(frozen=True)
class Joint:
    """main(u, i) = user[u] . item[i]; rating(u, i) = (user[u] * item[i]) @ w + user_bias[u] + item_bias[i]."""

    settings: JointSettings
    levels: ClassVar[None] = None
    uses_features: ClassVar[bool] = False
    gains_from_xla: ClassVar[bool] = False

    def build(self, sides: Sides) -> keras.Model:
        """A network with fresh weights and two outputs, `main` and `rating`; see `Model.build`."""
        import keras

        inputs, size = index_inputs(), self.settings.embedding_size
        user = embedding(inputs, "user", count=sides.n_users, size=size, l2=0)
        item = embedding(inputs, "item", count=sides.n_items, size=size, l2=0)
        products = keras.layers.Multiply(name="products")([user, item])
        start = keras.initializers.Constant(0.1)
        weighted = keras.layers.Dense(1, use_bias=False, kernel_initializer=start, name="rating_weights")(products)
        of_user = bias(inputs, "user", count=sides.n_users, l2=0)
        of_item = bias(inputs, "item", count=sides.n_items, l2=0)
        outputs = {
            "main": keras.layers.Dot(axes=1, name="main")([user, item]),
            RATING: keras.layers.Add(name=RATING)([weighted, of_user, of_item]),
        }
        return keras.Model(inputs, outputs, name="joint")

    def export(
        self, network: keras.Model, *, scale: float, offset: float, clip: tuple[float, float] | None
    ) -> dict[str, PairScorer]:
        """`main` in its own units, `rating` in rating units; see `Model.export`."""
        (weights,) = network.get_layer("rating_weights").get_weights()
        user, item = table(network, "user"), table(network, "item")
        rating = PairScorer(
            user=np.ascontiguousarray(user * weights[:, 0]),
            item=item,
            user_bias=table(network, "user", "bias")[:, 0].copy(),
            item_bias=table(network, "item", "bias")[:, 0].copy(),
            scale=scale,
            offset=offset,
            clip=clip,
        )
        return {"main": PairScorer(user=user, item=item), RATING: rating}
