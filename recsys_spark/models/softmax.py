"""A user tower over the history, trained by a softmax over the items (`training/objectives/softmax.py`).

As the candidate generator of Covington, Adams, Sargin: Deep Neural Networks for YouTube Recommendations, RecSys 2016;
the correction of drawn items after Yi et al.: Sampling-Bias-Corrected Neural Modeling, RecSys 2019.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.preference import preference_network, preference_scorer
from recsys_spark.models.settings import SoftmaxSettings
from recsys_spark.models.sides import Sides

if TYPE_CHECKING:
    import keras


HISTORY = "history_embedding"
"""The layer with the history vectors of the items."""


@dataclass(frozen=True)
class Softmax:
    """output(u, i) = user[u] . item[i] + item_bias[i], with user[u] = sum over n liked items j of history[j] / sqrt(n).

    The network holds the users' vectors as the tower gives them once it is trained, so that it scores pairs.
    """

    settings: SoftmaxSettings
    levels: ClassVar[None] = None
    uses_features: ClassVar[bool] = False
    gains_from_xla: ClassVar[bool] = False

    def build(self, sides: Sides) -> keras.Model:
        """A network with fresh weights; see `Model.build`."""
        return preference_network("softmax", sides, size=self.settings.embedding_size, item_bias=True)

    def export(
        self, network: keras.Model, *, scale: float, offset: float, clip: tuple[float, float] | None
    ) -> dict[str, PairScorer]:
        """The network as plain arrays, in its own units; see `Model.export`."""
        return {"main": preference_scorer(network)}

    def build_tower(self, sides: Sides) -> keras.Model:
        """The history vectors with fresh weights: int32 (batch,) items to (batch, embedding_size)."""
        import keras

        item = keras.Input(shape=(), dtype="int32", name="item")
        initial = keras.initializers.RandomNormal(stddev=0.1)
        vectors = keras.layers.Embedding(sides.n_items, self.settings.embedding_size, initial, name=HISTORY)(item)
        return keras.Model(item, vectors, name="tower")
