"""The three fits of a run.

| fit | rows | what for |
| --- | --- | --- |
| validated | train | measured on validation after each epoch: the number of epochs is found here |
| evaluated | train and validation | its errors on test are reported |
| published | everything | its scores are published |

Users who are held out (`split.strategy held_out_users`) are in a fit with all of their ratings or with none: what is
measured of them are vectors that the fit's model makes of their histories.

Each starts from fresh weights of the same seed; the last two run as many epochs as the first one found best. A warm
start begins each fit where the fit of the same name ended on an earlier night of the same split: then the validated
one has never seen the validation part, and the evaluated one never the test part, neither tonight nor before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recsys_spark.manifest import FitName
from recsys_spark.models.warm import Weights
from recsys_spark.training.epochs import EpochResult
from recsys_spark.training.feed import PARTS, Part, TrainingRows
from recsys_spark.training.fit import Trainer
from recsys_spark.training.fitted import Fitted
from recsys_spark.training.settings import TrainingSettings

_PARTS: Mapping[FitName, tuple[Part, ...]] = {
    "validated": ("train",),
    "evaluated": ("train", "validation", "validation_history"),
    "published": PARTS,
}

HISTORIES: Mapping[FitName, Part] = {"validated": "validation_history", "evaluated": "test_history"}
"""What a fit is told of the users who are held out of it, once it is done."""

MEASURED: tuple[Part, ...] = ("validation", "validation_history")
"""What a fit is given to measure itself by, after each epoch."""


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
    def fits(self) -> dict[FitName, Fitted]:
        """Each fit that was run, by its name."""
        published = None if self.published is self.evaluated else self.published
        run = {"validated": self.validated, "evaluated": self.evaluated, "published": published}
        return {name: fitted for name, fitted in run.items() if fitted is not None}  # type: ignore[misc]

    @property
    def epochs(self) -> int:
        """Epochs of the evaluated and the published model."""
        return self.published.epochs

    @property
    def history(self) -> tuple[EpochResult, ...]:
        """Every epoch of every fit, in the order in which they ran."""
        return tuple(result for fitted in self.fits.values() for result in fitted.history)


def rows_of(fit: FitName, rows: TrainingRows) -> TrainingRows:
    """What a fit is fitted to."""
    return rows.select(*_PARTS[fit])


def planned(rows: TrainingRows, settings: TrainingSettings) -> tuple[FitName, ...]:
    """The fits that `train` will run, in their order."""
    validated: tuple[FitName, ...] = ("validated",) if _has(rows, "validation") else ()
    refitted = settings.refit and _has(rows, "test")
    return (*validated, "evaluated", "published") if refitted else (*validated, "evaluated")


def train(trainer: Trainer, rows: TrainingRows, *, starts: Mapping[FitName, Weights] | None = None) -> TrainedModels:
    """Fit the models of a run.

    Args:
        trainer: the network, and how it is fitted. Early stopping needs a validation part; without one, or with
            `early_stopping` none, all `epochs` are run.
        rows: all training rows, with their parts.
        starts: for a warm start the first weights of each fit, see `planned`: those of a fit of the same name to rows
            of the same split. None: fresh weights.

    Raises:
        DataError: nothing to fit, an index beyond the number of users or items, a loss that is not finite, or first
            weights that do not fit.
    """
    firsts = starts or {}
    if starts:
        trainer = trainer.warm()
    epochs = trainer.settings.epochs

    def fit(name: FitName, measured: TrainingRows | None = None) -> Fitted:
        return trainer.fit(name, rows_of(name, rows), epochs=epochs, validation=measured, start=firsts.get(name))

    fits, validated = planned(rows, trainer.settings), None
    if "validated" in fits:
        validated = fit("validated", rows.select(*MEASURED))
        epochs = validated.epochs
    evaluated = fit("evaluated")
    return TrainedModels(validated, evaluated, fit("published") if "published" in fits else evaluated)


def _has(rows: TrainingRows, part: Part) -> bool:
    return any((chunk.part == PARTS.index(part)).any() for chunk in rows.chunks())
