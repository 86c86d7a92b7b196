"""The loss of Bayesian personalised ranking: each like against an item drawn by chance.

With a like (u, i) of the weight w and an item j drawn evenly from those that anybody liked,

    w * (log(1 + exp(s(u, j) - s(u, i))) + l2 * (|p_u|^2 + |q_i|^2 + |q_j|^2))

(Rendle et al., UAI 2009, section 4; there j is drawn from what u did not like, which changes little).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from recsys_spark.models.settings import BprSettings
from recsys_spark.training.likes import Likes
from recsys_spark.training.objectives.objective import UserBatch, rows_of, squares

if TYPE_CHECKING:
    import keras


class BprObjective:
    """See above.

    Args:
        settings: the weight of the penalty.
        network: with the tables `user_embedding`, `item_embedding` and `item_bias`.
        likes: of all users.
    """

    others: ClassVar[tuple[keras.Model, ...]] = ()
    wants_ratings: ClassVar[bool] = False

    def __init__(self, settings: BprSettings, network: keras.Model, likes: Likes) -> None:
        import tensorflow as tf

        self.network, self._l2 = network, settings.l2
        self._drawn_from = tf.constant(np.flatnonzero(likes.weight_of_items()), tf.int32)

    def loss(self, batch: UserBatch, seed: Any) -> Any:
        """See `Objective.loss`."""
        import tensorflow as tf

        table, biases = rows_of(self.network, "item_embedding"), rows_of(self.network, "item_bias")
        users = tf.gather(tf.gather(rows_of(self.network, "user_embedding"), batch.users), batch.owner)
        places = tf.random.stateless_uniform(
            tf.shape(batch.items), seed, maxval=tf.size(self._drawn_from), dtype=tf.int32
        )
        drawn = tf.gather(self._drawn_from, places)
        liked, other = tf.gather(table, batch.items), tf.gather(table, drawn)
        bias = tf.gather(biases, batch.items)[:, 0] - tf.gather(biases, drawn)[:, 0]
        ahead = tf.reduce_sum(users * (liked - other), axis=1) + bias
        penalty = self._l2 * (squares(users) + squares(liked) + squares(other))
        n = tf.cast(tf.size(batch.users), tf.float32)
        return tf.reduce_sum(batch.weights * (tf.nn.softplus(-ahead) + penalty)) / n

    def finish(self) -> None:
        """See `Objective.finish`."""
