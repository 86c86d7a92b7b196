"""The loss of implicit matrix factorisation, by gradients and without drawing what is not liked.

With likes L of the weights w, a score s(u, i) = p_u . q_i and a weight a of every pair,

    sum over L of w (1 - s)^2 + a * sum over all pairs of s^2
        + sum over users of l2 * n_u^e |p_u|^2 + sum over items of l2 * n_i^e |q_i|^2,

n being the sum of the weights of all pairs of a user or an item, a those of pairs that are not liked. The sum over all
pairs of a batch of users is sum p_u (Q^T Q) p_u: as many operations as there are users, not pairs (Hu, Koren, Volinsky,
ICDM 2008, section 4; the weights n^e after Rendle et al., RecSys 2022, section 3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from recsys_spark.models.settings import IalsSettings, JointSettings
from recsys_spark.training.likes import Likes
from recsys_spark.training.objectives.objective import UserBatch, rows_of, squares

if TYPE_CHECKING:
    import keras


class IalsObjective:
    """See above.

    Args:
        settings: the weights of the loss.
        network: with the tables `user_embedding` and `item_embedding`.
        likes: of all users.
    """

    others: ClassVar[tuple[keras.Model, ...]] = ()
    wants_ratings: ClassVar[bool] = False

    def __init__(self, settings: IalsSettings | JointSettings, network: keras.Model, likes: Likes) -> None:
        import tensorflow as tf

        self.network, self._unobserved = network, settings.unobserved_weight
        of_users, of_items = likes.weight_of_users(), likes.weight_of_items()
        n_users, n_items = int((of_users > 0).sum()), int((of_items > 0).sum())
        user_l2 = settings.l2 * (of_users + self._unobserved * n_items) ** settings.l2_exponent
        item_l2 = settings.l2 * (of_items + self._unobserved * n_users) ** settings.l2_exponent / max(n_users, 1)
        self._user_l2 = tf.constant(user_l2, tf.float32)
        # what has no like stays as it is
        self._item_l2 = tf.constant(np.where(of_items > 0, item_l2, 0), tf.float32)

    def loss(self, batch: UserBatch, seed: Any) -> Any:
        """See `Objective.loss`."""
        import tensorflow as tf

        table = rows_of(self.network, "item_embedding")
        users = tf.gather(rows_of(self.network, "user_embedding"), batch.users)
        scores = tf.reduce_sum(tf.gather(users, batch.owner) * tf.gather(table, batch.items), axis=1)
        liked = tf.reduce_sum(batch.weights * tf.square(1 - scores))
        gram = tf.matmul(table, table, transpose_a=True)
        everything = self._unobserved * tf.reduce_sum(tf.matmul(users, gram) * users)
        user_penalty = tf.reduce_sum(tf.gather(self._user_l2, batch.users) * squares(users))
        item_penalty = tf.reduce_sum(self._item_l2 * squares(table))
        n = tf.cast(tf.size(batch.users), tf.float32)
        return (liked + everything + user_penalty) / n + item_penalty

    def finish(self) -> None:
        """See `Objective.finish`."""
