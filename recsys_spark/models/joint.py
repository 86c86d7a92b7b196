"""One model for both questions: implicit matrix factorisation for the order, and ratings beside it.

It is fitted by `training/objectives/joint.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.manifest import RATING as RATING
from recsys_spark.models.embedding import bias, embedding, index_inputs, table
from recsys_spark.models.settings import JointSettings
from recsys_spark.models.sides import SIDES, Sides

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Joint:
    """main(u, i) = user[u] . item[i]; rating(u, i) = user_rating[u] . item_rating[i] + user_bias[u] + item_bias[i]."""

    settings: JointSettings
    levels: ClassVar[None] = None
    uses_features: ClassVar[bool] = False
    gains_from_xla: ClassVar[bool] = False

    def build(self, sides: Sides) -> keras.Model:
        """A network with fresh weights and two outputs, `main` and `rating`; see `Model.build`."""
        import keras

        inputs, settings = index_inputs(), self.settings
        vectors, for_ratings, biases = [], [], []
        for side in SIDES:
            count = sides.count(side)
            vectors.append(embedding(inputs, side, count=count, size=settings.embedding_size, l2=0))
            size = settings.rating_size
            for_ratings.append(embedding(inputs, side, count=count, size=size, l2=0, what="rating_embedding"))
            biases.append(bias(inputs, side, count=count, l2=0))
        rating = keras.layers.Dot(axes=1, name="rating_dot")(for_ratings)
        outputs = {
            "main": keras.layers.Dot(axes=1, name="main")(vectors),
            RATING: keras.layers.Add(name=RATING)([rating, *biases]),
        }
        return keras.Model(inputs, outputs, name="joint")

    def export(
        self, network: keras.Model, *, scale: float, offset: float, clip: tuple[float, float] | None
    ) -> dict[str, PairScorer]:
        """`main` in its own units, `rating` in rating units; see `Model.export`."""
        rating = PairScorer(
            user=table(network, "user", "rating_embedding"),
            item=table(network, "item", "rating_embedding"),
            user_bias=table(network, "user", "bias")[:, 0].copy(),
            item_bias=table(network, "item", "bias")[:, 0].copy(),
            scale=scale,
            offset=offset,
            clip=clip,
        )
        return {"main": PairScorer(user=table(network, "user"), item=table(network, "item")), RATING: rating}
