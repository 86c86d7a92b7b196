"""The three fits of a run.

| fit | rows | what for |
| --- | --- | --- |
| validated | train | measured on validation after each epoch: the number of epochs is found here |
| evaluated | train and validation | its errors on test are reported |
| published | everything | its scores are published |

Each starts from fresh weights of the same seed; the last two run as many epochs as the first one found best.
"""

from __future__ import annotations

from dataclasses import dataclass

from recsys_spark.models.registry import model_for
from recsys_spark.models.settings import ModelSettings
from recsys_spark.training.epochs import EpochResult, Watcher, nobody
from recsys_spark.training.feed import TrainingRows
from recsys_spark.training.fit import SidesOf, Trainer
from recsys_spark.training.fitted import Fitted
from recsys_spark.training.settings import TrainingSettings


@dataclass(frozen=True, eq=False)
class TrainedModels:
    """What a run has fitted.

    Args:
        validated: fitted on train alone, with the weights of the best epoch; none without a validation part. Its
            errors on validation are honest ones.
        evaluated: fitted on train and validation; its errors on test are honest ones.
        published: fitted on everything. The very object `evaluated` where nothing is held out for a test, or where
            `training.refit` is off.
    """

    validated: Fitted | None
    evaluated: Fitted
    published: Fitted

    @property
    def epochs(self) -> int:
        """Epochs of the evaluated and the published model."""
        return self.published.epochs

    @property
    def history(self) -> tuple[EpochResult, ...]:
        """Every epoch of every fit, in the order in which they ran."""
        fits = [self.validated, self.evaluated, self.published if self.published is not self.evaluated else None]
        return tuple(result for fitted in fits if fitted is not None for result in fitted.history)


def train(
    model_settings: ModelSettings,
    training_settings: TrainingSettings,
    rows: TrainingRows,
    *,
    sides_of: SidesOf,
    rating_range: tuple[float, float] | None = None,
    watcher: Watcher = nobody,
) -> TrainedModels:
    """Fit the models of a run.

    Args:
        model_settings: the network.
        training_settings: how it is fitted. Early stopping needs a validation part; without one, or with
            `early_stopping` none, all `epochs` are run.
        rows: all training rows, with their parts.
        sides_of: the users and items, as the rows of a fit show them.
        rating_range: lowest and highest valid rating, for clipping; none: those of each fit's rows.
        watcher: told where a fit stands.

    Raises:
        DataError: nothing to fit, an index beyond the number of users or items, or a loss that is not finite.
    """
    trainer = Trainer(model_for(model_settings), training_settings, sides_of, rating_range, watcher)
    validation = rows.select("validation")
    validated, epochs = None, training_settings.epochs
    if len(validation):
        validated = trainer.fit("validated", rows.select("train"), epochs=epochs, validation=validation)
        epochs = validated.epochs
    held_in = rows.select("train", "validation")
    evaluated = trainer.fit("evaluated", held_in, epochs=epochs)
    if held_in is rows or not training_settings.refit:
        return TrainedModels(validated, evaluated, published=evaluated)
    return TrainedModels(validated, evaluated, published=trainer.fit("published", rows, epochs=epochs))
