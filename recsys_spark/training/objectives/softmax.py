"""The loss of a softmax over the items, with a user's vector made of the history.

With y_j the history vector of an item, n the number of a user's likes and h those of them that dropout has left,

    p_u = sum over h of y_j / ((1 - dropout) sqrt(n)),
    loss = mean over u of sum over likes of w / (sum w) * -log(exp s(u, i) / sum over items of exp s(u, j)),

plus l2 times the squares. With `negatives` the sum over items is that over the like itself and items drawn by
popularity, each with log(negatives * share of its likes) taken from its score, so that it stands for all that were not
drawn (Bengio and Senecal, 2008; Yi et al., RecSys 2019, section 3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from recsys_spark.kernels.folding import history_vectors
from recsys_spark.models.settings import SoftmaxSettings
from recsys_spark.models.softmax import HISTORY
from recsys_spark.training.likes import Likes
from recsys_spark.training.objectives.objective import UserBatch, rows_of, squares

if TYPE_CHECKING:
    import keras


class SoftmaxObjective:
    """See above.

    Args:
        settings: dropout, drawn items and penalty.
        network: with the tables `user_embedding`, which `finish` fills, `item_embedding` and `item_bias`.
        tower: with the table `history_embedding`.
        likes: of all users.
    """

    wants_ratings: ClassVar[bool] = False

    def __init__(self, settings: SoftmaxSettings, network: keras.Model, tower: keras.Model, likes: Likes) -> None:
        import tensorflow as tf

        self.network, self.others, self._settings, self._likes = network, (tower,), settings, likes
        network.get_layer("user_embedding").trainable = False
        of_items = likes.weight_of_items().astype(np.float64)
        share = of_items / max(of_items.sum(), 1e-9)
        # of what nobody liked nothing is learned, and it is never drawn
        self._log_share = tf.constant(np.log(np.maximum(share, 1e-12)), tf.float32)
        self._cumulated = tf.constant(np.cumsum(share), tf.float32)
        self._liked = tf.constant(np.where(share > 0, 0.0, -np.inf), tf.float32)
        counts = np.diff(likes.offsets)
        self._root_count = tf.constant(np.sqrt(np.maximum(counts, 1)), tf.float32)
        self._user_weight = tf.constant(np.maximum(likes.weight_of_users(), 1e-12), tf.float32)

    def start(self) -> None:
        """Let every item begin at its popularity."""
        self.network.get_layer("item_bias").set_weights([self._log_share.numpy()[:, None]])

    def loss(self, batch: UserBatch, seed: Any) -> Any:
        """See `Objective.loss`."""
        import tensorflow as tf

        table, biases = rows_of(self.network, "item_embedding"), rows_of(self.network, "item_bias")[:, 0]
        users = self._towers(batch, seed)
        weights = batch.weights / tf.gather(tf.gather(self._user_weight, batch.users), batch.owner)
        scores = tf.reduce_sum(tf.gather(users, batch.owner) * tf.gather(table, batch.items), axis=1)
        scores += tf.gather(biases, batch.items)
        if self._settings.negatives is None:
            everything = tf.matmul(users, table, transpose_b=True) + (biases + self._liked)
            among = tf.gather(tf.reduce_logsumexp(everything, axis=1), batch.owner)
        else:
            drawn = self._drawn(self._settings.negatives, seed)
            others = tf.matmul(users, tf.gather(table, drawn), transpose_b=True) + tf.gather(biases, drawn)
            others -= tf.gather(self._log_share, drawn) + float(np.log(self._settings.negatives))
            of_owner = tf.gather(tf.reduce_logsumexp(others, axis=1), batch.owner)
            among = tf.reduce_logsumexp(tf.stack([scores, of_owner], axis=1), axis=1)
        n = tf.cast(tf.size(batch.users), tf.float32)
        loss = tf.reduce_sum(weights * (among - scores)) / n
        if self._settings.l2:
            table_penalty = tf.reduce_sum(squares(table)) / float(max(len(self._likes.users), 1))
            loss += self._settings.l2 * (tf.reduce_sum(squares(users)) / n + table_penalty)
        return loss

    def finish(self) -> None:
        """See `Objective.finish`."""
        (history,) = self.others[0].get_layer(HISTORY).get_weights()
        vectors = history_vectors(history, self._likes.offsets, self._likes.items)
        self.network.get_layer("user_embedding").set_weights([vectors])

    def _towers(self, batch: UserBatch, seed: Any) -> Any:
        import tensorflow as tf

        vectors, dropout = tf.gather(rows_of(self.others[0], HISTORY), batch.items), self._settings.dropout
        if dropout:
            kept = tf.random.stateless_uniform(tf.shape(batch.items), seed) >= dropout
            vectors *= tf.cast(kept, tf.float32)[:, None] / (1 - dropout)
        summed = tf.math.unsorted_segment_sum(vectors, batch.owner, tf.size(batch.users))
        return summed / tf.gather(self._root_count, batch.users)[:, None]

    def _drawn(self, n: int, seed: Any) -> Any:
        import tensorflow as tf

        places = tf.searchsorted(self._cumulated, tf.random.stateless_uniform([n], seed + 1), side="right")
        return tf.minimum(places, tf.size(self._cumulated) - 1)
