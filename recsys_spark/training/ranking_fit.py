"""A fit for `training.objective: ranking`: batches of users with all that they liked, a loss of `objectives`.

Import this module only where Keras is loaded already.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from recsys_spark.kernels.arrays import I32
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.bpr import Bpr
from recsys_spark.models.embedding import clear
from recsys_spark.models.ials import Ials
from recsys_spark.models.joint import Joint
from recsys_spark.models.model import Model
from recsys_spark.models.sides import Sides
from recsys_spark.models.softmax import Softmax
from recsys_spark.models.warm import Weights, carry_over, weights_of
from recsys_spark.training.callbacks import early_stopping, on_request, timekeeping
from recsys_spark.training.checkpoints import FitState
from recsys_spark.training.compiling import optimizer
from recsys_spark.training.epochs import EpochResult
from recsys_spark.training.feed import EpochOrder, TrainingRows
from recsys_spark.training.fitted import Fitted, Wanted
from recsys_spark.training.held_out_lists import VAL_NDCG, HeldOutLists
from recsys_spark.training.held_out_users import fold_of_fit, with_histories
from recsys_spark.training.likes import Likes, liked_at, likes_of, listed
from recsys_spark.training.objectives.bpr import BprObjective
from recsys_spark.training.objectives.ials import IalsObjective
from recsys_spark.training.objectives.joint import JointObjective
from recsys_spark.training.objectives.objective import Objective
from recsys_spark.training.objectives.softmax import SoftmaxObjective
from recsys_spark.training.recency import Recency
from recsys_spark.training.resuming import KeepingStates, weight_arrays
from recsys_spark.training.settings import TrainingSettings
from recsys_spark.training.user_batches import batch_of, user_batches


class RankingTask(keras.Model):
    """An objective as Keras fits it.

    Args:
        objective: whose networks are trained.
        seed: of whatever is drawn in a step.
    """

    def __init__(self, objective: Objective, seed: int) -> None:
        super().__init__(name="ranking")
        self.networks = [objective.network, *objective.others]
        self.told = keras.metrics.Mean(name="loss")
        self.objective, self.seed, self.built = objective, seed % 2**31, True

    def train_step(self, values: Any) -> dict[str, Any]:
        """One step of descent."""
        import tensorflow as tf

        variables = self.trainable_variables
        step = tf.cast(self.optimizer.iterations.value, tf.int32)
        with tf.GradientTape() as tape:
            loss = self.objective.loss(batch_of(values), tf.stack([tf.constant(self.seed), 2 * step]))
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        self.optimizer.apply(gradients, variables)
        self.told.update_state(loss)
        return {"loss": self.told.result()}


def fit_ranking(
    model: Model,
    training: TrainingSettings,
    wanted: Wanted,
    rows: TrainingRows,
    sides: Sides,
    *,
    validation: TrainingRows | None,
    start: Weights | None = None,
) -> Fitted:
    """Fit a model for ranking.

    Args:
        model: one of those for ranking.
        training: `batch_size` counts users.
        wanted: name, epochs and so on.
        rows: what is fitted.
        sides: the users and items.
        validation: after each epoch their NDCG@10 is measured.
        start: what an earlier fit learned; none: fresh weights.

    Returns:
        The network, of the best epoch where the training stops early. Driver memory: 8 bytes for each like, and as
        much for each rating where the model predicts ratings.
    """
    n_users, n_items, at = sides.n_users, sides.n_items, liked_at(rows, training)
    recency = Recency.of(rows, training.half_life_days)
    by_event = bool(training.event_weights)
    liked = likes_of(rows, at=at, weighted=by_event, recency=recency, n_users=n_users, n_items=n_items)
    targets = wanted.target.transform(rows.rating).astype(np.float32)
    ones = np.ones(len(rows), np.float32)
    of_ratings = ones if recency is None or rows.day is None else recency.relative(rows.day)
    fitted = listed(rows, of_ratings, targets=targets, n_users=n_users, n_items=n_items)
    task = RankingTask(_objective(model, liked, sides, start), training.seed)
    objective = task.objective
    _clear(objective.network, fitted if objective.wants_ratings else liked)
    before = wanted.kept.last()
    if before is not None and before.over:
        task.set_weights([before.arrays[name] for name in sorted(before.arrays)])
        return _fitted(model, objective, wanted, sides, before.values["epochs"], before.history)
    stopping, measuring = None, []
    if validation is not None:
        stopping = early_stopping(training, VAL_NDCG, mode="max")
        measuring = [_measuring(model, training, objective, validation, fitted, liked, at=at, recency=recency)]
    order, clock = EpochOrder(training.seed), wanted.clock
    ratings = fitted if objective.wants_ratings else None
    batches = user_batches(liked, order, batch_size=training.batch_size, ratings=ratings)
    task.compile(optimizer=optimizer(training, steps_per_epoch=int(batches.cardinality())), jit_compile=False)
    clock.learning_rate = lambda: float(task.optimizer.learning_rate)
    try:
        task.fit(
            batches,
            epochs=wanted.epochs,
            initial_epoch=before.epoch if before else 0,
            shuffle=False,
            verbose=0,
            callbacks=[
                *measuring,
                timekeeping(clock, order),
                *([stopping] if stopping else []),
                *on_request(training, wanted.name, objective.network),
                KeepingStates(wanted.kept, before, clock, epochs=wanted.epochs, stopping=stopping),
            ],
        )
    finally:
        clock.fit_ends()
    taken, history = stopping.best_epoch + 1 if stopping else wanted.epochs, tuple(clock.history)
    arrays = weight_arrays("task", task.get_weights())
    wanted.kept.keep(FitState(len(history), True, arrays, history, {"epochs": taken}))
    return _fitted(model, objective, wanted, sides, taken, history)


def _objective(model: Model, likes: Likes, sides: Sides, start: Weights | None) -> Objective:
    """The loss of a model, over networks with their first weights."""
    network = model.build(sides)
    found: Objective
    if isinstance(model, Ials):
        found = IalsObjective(model.settings, network, likes)
    elif isinstance(model, Joint):
        found = JointObjective(model.settings, network, likes)
    elif isinstance(model, Bpr):
        found = BprObjective(model.settings, network, likes)
    else:
        assert isinstance(model, Softmax)
        found = SoftmaxObjective(model.settings, network, model.build_tower(sides), likes)
        found.start()
    if start is not None:
        for trained in (network, *found.others):
            carry_over(start, trained)
    return found


def _measuring(
    model: Model,
    training: TrainingSettings,
    objective: Objective,
    validation: TrainingRows,
    fitted: Likes,
    liked: Likes,
    *,
    at: float,
    recency: Recency | None,
) -> HeldOutLists:
    """What measures a fit after each epoch; users who are held out of it are folded in from their histories."""
    n_users, n_items = liked.n_users, liked.n_items
    held_out = likes_of(validation.select("validation"), at=at, n_users=n_users, n_items=n_items)
    histories = validation.select("validation_history")

    def scorers() -> dict[str, PairScorer]:
        objective.finish()
        return model.export(objective.network, scale=1, offset=0, clip=None)

    if not len(histories):
        return HeldOutLists(lambda users: scorers()["main"], fitted=fitted, liked=liked, validation=held_out)

    def folded(users: I32) -> PairScorer:
        found = scorers()
        fold = fold_of_fit(model, found, _memory(objective), training, liked_at=at, recency=recency)
        assert fold is not None
        return with_histories(found, fold, histories, users, recency=recency)["main"]

    of_histories = likes_of(histories, at=at, n_users=n_users, n_items=n_items)
    seen = listed(histories, histories.rating, n_users=n_users, n_items=n_items)
    return HeldOutLists(folded, fitted=seen, liked=of_histories, validation=held_out, candidates=liked.items)


def _clear(network: keras.Model, known: Likes) -> None:
    """Set the vectors to zero that no step will ever touch."""
    of_items = np.bincount(known.items, minlength=known.n_items)
    clear(network, "user", np.diff(known.offsets) == 0)
    clear(network, "item", of_items == 0)


def _fitted(
    model: Model, objective: Objective, wanted: Wanted, sides: Sides, epochs: int, history: tuple[EpochResult, ...]
) -> Fitted:
    objective.finish()
    bare = model.build(sides)
    bare.set_weights(objective.network.get_weights())
    return Fitted(model, bare, wanted.target, wanted.clip, epochs, history, memory=_memory(objective))


def _memory(objective: Objective) -> Weights:
    return {name: array for other in objective.others for name, array in weights_of(other).items()}
