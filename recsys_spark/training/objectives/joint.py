"""The loss of implicit matrix factorisation, and beside it that of ratings predicted from the same vectors.

ials + rating_weight * sum over ratings of ((r - rating(u, i))^2 + bias_l2 * (b_u^2 + c_i^2)) / users
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from recsys_spark.models.settings import JointSettings
from recsys_spark.training.likes import Likes
from recsys_spark.training.objectives.ials import IalsObjective
from recsys_spark.training.objectives.objective import UserBatch, rows_of

if TYPE_CHECKING:
    import keras


class JointObjective:
    """See above.

    Args:
        settings: the weights of the loss.
        network: of `Joint`.
        likes: of all users.
    """

    others: ClassVar[tuple[keras.Model, ...]] = ()
    wants_ratings: ClassVar[bool] = True

    def __init__(self, settings: JointSettings, network: keras.Model, likes: Likes) -> None:
        self.network, self._settings = network, settings
        self._ials = IalsObjective(settings, network, likes)

    def loss(self, batch: UserBatch, seed: Any) -> Any:
        """See `Objective.loss`."""
        import tensorflow as tf

        users = tf.gather(rows_of(self.network, "user_embedding"), batch.users)
        user_biases = tf.gather(rows_of(self.network, "user_bias"), batch.users)[:, 0]
        of_user = tf.gather(user_biases, batch.rated_owner)
        of_item = tf.gather(rows_of(self.network, "item_bias"), batch.rated_items)[:, 0]
        items = tf.gather(rows_of(self.network, "item_embedding"), batch.rated_items)
        weights = self.network.get_layer("rating_weights").kernel.value[:, 0]
        predicted = tf.reduce_sum(tf.gather(users * weights, batch.rated_owner) * items, axis=1) + of_user + of_item
        errors = tf.square(batch.targets - predicted)
        penalty = self._settings.bias_l2 * (tf.square(of_user) + tf.square(of_item))
        n = tf.cast(tf.size(batch.users), tf.float32)
        return self._ials.loss(batch, seed) + self._settings.rating_weight * tf.reduce_sum(errors + penalty) / n

    def finish(self) -> None:
        """See `Objective.finish`."""
