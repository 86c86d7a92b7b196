"""A blend: its parts fitted one after the other on the same rows, then folded into one dot product."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recsys_spark.models.blend import Blend, folded
from recsys_spark.models.settings import BlendPart
from recsys_spark.models.sides import Sides
from recsys_spark.training.fitted import Fitted
from recsys_spark.training.settings import TrainingSettings

FitPart = Callable[[BlendPart, int], Fitted]
"""Fits one part, given its position."""


def own_settings(training: TrainingSettings, part: BlendPart) -> TrainingSettings:
    """The training of a part: that of the blend, but for what the part says itself."""
    own = {name: getattr(part, name) for name in ("epochs", "batch_size", "learning_rate")}
    return training.model_copy(update={name: value for name, value in own.items() if value is not None})


def blended(model: Blend, fit_part: FitPart, sides: Sides) -> Fitted:
    """Fit the parts and fold them.

    Args:
        model: the blend.
        fit_part: see `FitPart`.
        sides: the users and items.

    Returns:
        A network of the folded parts. Its epochs are those of all parts together, and so is its history.
    """
    fits = [fit_part(part, number) for number, part in enumerate(model.settings.parts)]
    scorers = [fitted.scorers()["main"] for fitted in fits]
    trained = np.all([scorer.item.any(axis=1) for scorer in scorers], axis=0).astype(np.float32)
    user, item = folded(scorers, [part.weight for part in model.settings.parts], trained)
    network = model.build(sides)
    network.get_layer("user_embedding").set_weights([user])
    network.get_layer("item_embedding").set_weights([item])
    history, before = [], 0
    for fitted in fits:
        history += [result._replace(epoch=before + result.epoch) for result in fitted.history]
        before += fitted.epochs
    return Fitted(model, network, fits[0].target, None, before, tuple(history))
