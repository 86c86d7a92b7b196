"""The loss of implicit matrix factorisation, and beside it that of predicted ratings.

    ials + sum over ratings of (w (r - rating(u, i))^2 + rating_l2 (|p|^2 + |q|^2 + b^2 + c^2)) / users,

p, q, b and c being the vectors and biases that predict ratings, w what a rating counts by its age, 1 on average.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from recsys_spark.models.settings import JointSettings
from recsys_spark.training.likes import Likes
from recsys_spark.training.objectives.ials import IalsObjective
from recsys_spark.training.objectives.objective import UserBatch, rows_of, squares

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
        self.network, self._l2 = network, settings.rating_l2
        self._ials = IalsObjective(settings, network, likes)

    def loss(self, batch: UserBatch, seed: Any) -> Any:
        """See `Objective.loss`."""
        import tensorflow as tf

        users = tf.gather(rows_of(self.network, "user_rating_embedding"), batch.users)
        user_biases = tf.gather(rows_of(self.network, "user_bias"), batch.users)[:, 0]
        of_user, of_item = tf.gather(users, batch.rated_owner), self._of_items("item_rating_embedding", batch)
        user_bias, item_bias = tf.gather(user_biases, batch.rated_owner), self._of_items("item_bias", batch)[:, 0]
        errors = batch.targets - tf.reduce_sum(of_user * of_item, axis=1) - user_bias - item_bias
        penalty = squares(of_user) + squares(of_item) + tf.square(user_bias) + tf.square(item_bias)
        n = tf.cast(tf.size(batch.users), tf.float32)
        of_ratings = tf.reduce_sum(batch.rated_weights * tf.square(errors) + self._l2 * penalty)
        return self._ials.loss(batch, seed) + of_ratings / n

    def finish(self) -> None:
        """See `Objective.finish`."""

    def _of_items(self, layer: str, batch: UserBatch) -> Any:
        import tensorflow as tf

        return tf.gather(rows_of(self.network, layer), batch.rated_items)
