"""The search: settings are drawn, fitted on the train part and compared by their errors on the validation part."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import yaml

from recsys_spark.config import as_tree
from recsys_spark.errors import ConfigError, DataError
from recsys_spark.models.registry import model_for
from recsys_spark.settings import Settings
from recsys_spark.storage import Folder
from recsys_spark.training.epochs import FitNews, Watcher, nobody
from recsys_spark.training.feed import TrainingRows
from recsys_spark.training.fit import SidesOf, Trainer
from recsys_spark.training.fits import MEASURED
from recsys_spark.training.fitted import Fitted
from recsys_spark.tuning.space import Draw, Space, shown
from recsys_spark.tuning.study import DRAWN, EPOCHS, MESSAGE, TrialResult, n_finished, next_trial, opened, results

if TYPE_CHECKING:
    import optuna

BEST = "best.yaml"
"""The configuration found, in the folder of the study."""

SidesFor = Callable[[Settings], SidesOf]
"""The users and items as a trial's model takes them: some models use features."""


@dataclass(frozen=True)
class Found:
    """What a search has found.

    Args:
        space: where was searched.
        metric: what was made small; `ndcg`: what that lacks to 1.
        trials: all finished ones of the study, those of earlier jobs included, by number.
    """

    space: Space
    metric: Literal["mse", "mae", "ndcg"]
    trials: tuple[TrialResult, ...]

    @property
    def best(self) -> TrialResult:
        """The complete trial of the smallest error, the first of equal ones.

        Raises:
            DataError: no trial is complete.
        """
        best = _best(self.trials)
        if best is None:
            why = next((trial.message for trial in self.trials if trial.message), "none was run")
            hint = "search where fits are possible: smaller learning rates, more data, or a smaller tune.space"
            raise DataError("tune", expected="a trial that reaches its end", found=f"none; {why}", hint=hint)
        return best

    @property
    def settings(self) -> Settings:
        """The settings of the best trial."""
        return self.space.settings(self.best.draw)


class TrialFit(NamedTuple):
    """What came of the fit of a trial."""

    error: float
    """On the validation part: in rating units, or what NDCG@10 lacks to 1."""

    epochs: int
    """After which the weights stand."""


@dataclass(frozen=True, eq=False)
class _Search:
    """What the trials of a search share."""

    space: Space
    rows: TrainingRows
    sides_for: SidesFor
    study: optuna.Study
    watcher: Watcher


class _PrunedError(Exception):
    """Raised out of a fit that is not worth its remaining epochs."""


def search(
    base: Settings,
    rows: TrainingRows,
    sides_for: SidesFor,
    *,
    folder: Folder,
    say: Callable[[str], None],
    watcher: Watcher = nobody,
) -> Found:
    """Try settings until the study has `tune.trials` of them.

    The test part is dropped before anything else happens.

    Args:
        base: what every trial starts from, with the section `tune`.
        rows: encoded ratings with their parts.
        sides_for: the users and items for a trial's settings.
        folder: local, of this study alone: it must be named by all that the trials' errors depend on. The study in it
            is continued.
        say: told a line after each trial.
        watcher: told where the fits stand.

    Raises:
        ConfigError: the space is not sound.
        DataError: no row to fit or to compare by.
        LockedError: another process searches the same study.
    """
    rows = rows.select("train", *MEASURED)
    _check(rows)
    tune, space = base.tune, Space.of(base)
    begun = time.monotonic()
    with opened(folder.path, tune, most_epochs=space.most_epochs) as study:
        running = _Search(space, rows, sides_for, study, watcher)
        done = n_finished(study)
        if done:
            say(f"{done} of {tune.trials} trials are done already")
        while n_finished(study) < tune.trials:
            _run(running, next_trial(study, tune))
            say(_told(results(study), n_finished(study), tune.trials, base.tune_metric))
            if tune.timeout is not None and time.monotonic() - begun >= tune.timeout:
                break
        return Found(space, base.tune_metric, results(study))


def fit_trial(
    settings: Settings,
    rows: TrainingRows,
    sides_of: SidesOf,
    *,
    after_epoch: Callable[[int, float], None],
    watcher: Watcher = nobody,
) -> TrialFit:
    """Fit one trial on the train part and measure it on the validation part.

    Args:
        settings: of the trial: model, training, `quality.rating_range` and `tune_metric`.
        rows: train and validation.
        sides_of: the users and items, as the rows of a fit show them.
        after_epoch: told the epoch, from 1, and the error on validation; what it raises ends the fit.
        watcher: told where the fit stands.

    Raises:
        DataError: the loss or the error is not finite.
    """
    validation, metric = rows.select(*MEASURED), settings.tune_metric

    def watch(news: FitNews) -> None:
        watcher(news)
        error = {"mse": news.val_mse, "mae": news.val_mae, "ndcg": _lacking(news.val_ndcg)}[metric]
        if news.what == "epoch" and error is not None and math.isfinite(error):
            after_epoch(news.epoch, error)

    # networks refer to themselves: without this those of earlier trials stay in memory for long
    gc.collect()
    # trials would write their files over each other's
    training = settings.training.model_copy(update={"checkpoints": None, "tensorboard": None})
    trainer = Trainer(model_for(settings.model), training, sides_of, settings.quality.rating_range, watch)
    fitted = trainer.fit("validated", rows.select("train"), epochs=settings.training.epochs, validation=validation)
    error = _error(fitted, validation, metric)
    if not math.isfinite(error):
        raise DataError("trial", expected="a finite error on validation", found=str(error))
    return TrialFit(error, fitted.epochs)


def write_best(folder: Folder, found: Found) -> Path:
    """Write the best trial's whole configuration as YAML, for `--config`; gives the file.

    A reader sees the old file or the new one, never a part.
    """
    tree = {name: section for name, section in as_tree(found.settings).items() if name not in ("tune", "run")}
    best = found.best
    head = f"# Trial {best.number} of the study {folder.path.name}: {found.metric} {best.value:.6g} on validation.\n"
    text = head + yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    unfinished = folder.path / f".{BEST}"
    unfinished.write_text(text, encoding="utf-8")
    return unfinished.replace(folder.path / BEST)


def _check(rows: TrainingRows) -> None:
    for part in ("train", "validation"):
        if not len(rows.select(part)):
            hint = f"take a larger split.{part}_fraction" if part == "validation" else "take smaller fractions in split"
            raise DataError(f"part {part}", expected="at least one rating", found="none", hint=hint)


def _run(running: _Search, trial: optuna.Trial) -> None:
    """Run one trial to its end and record it."""
    from optuna.trial import TrialState

    study, draw = running.study, running.space.draw(trial)
    trial.set_user_attr(DRAWN, True)
    if (twin := _twin(study, draw)) is not None:
        # a fit of the same settings gives the same weights
        trial.set_user_attr(EPOCHS, twin.epochs)
        trial.set_user_attr(MESSAGE, f"the settings of trial {twin.number}")
        study.tell(trial, twin.value)
        return

    try:
        settings = running.space.settings(draw)

        def after_epoch(epoch: int, error: float) -> None:
            trial.report(error, epoch)
            # nothing is saved by ending a fit that is at its end
            if epoch < settings.training.epochs and trial.should_prune():
                raise _PrunedError

        sides_of = running.sides_for(settings)
        fit = fit_trial(settings, running.rows, sides_of, after_epoch=after_epoch, watcher=running.watcher)
    except _PrunedError:
        study.tell(trial, state=TrialState.PRUNED)
    except (ConfigError, DataError) as error:
        trial.set_user_attr(MESSAGE, error.message)
        study.tell(trial, state=TrialState.FAIL)
    else:
        trial.set_user_attr(EPOCHS, fit.epochs)
        study.tell(trial, fit.error)


def _twin(study: optuna.Study, draw: Draw) -> TrialResult | None:
    """A complete trial of the same draw."""
    return next((trial for trial in results(study) if trial.state == "complete" and trial.draw == draw), None)


def _best(trials: tuple[TrialResult, ...]) -> TrialResult | None:
    complete = [trial for trial in trials if trial.state == "complete" and trial.value is not None]
    return min(complete, key=lambda trial: (trial.value, trial.number), default=None)


def _lacking(ndcg: float | None) -> float | None:
    return None if ndcg is None else 1 - ndcg


def _error(fitted: Fitted, rows: TrainingRows, metric: Literal["mse", "mae", "ndcg"]) -> float:
    if metric == "ndcg":
        lacking = _lacking(fitted.history[fitted.epochs - 1].val_ndcg)
        return math.nan if lacking is None else lacking
    predicted = fitted.predict(rows.user, rows.item)
    if fitted.clip is not None:
        predicted = predicted.clip(*fitted.clip)
    error = predicted.astype(np.float64) - rows.rating
    return float(np.mean(error**2 if metric == "mse" else np.abs(error)))


def _told(trials: tuple[TrialResult, ...], done: int, wanted: int, metric: str) -> str:
    """The last trial in one line, and where the search stands."""
    last, best = trials[-1], _best(trials)
    outcome = last.message if last.value is None else f"{metric} {last.value:.4f} after {last.epochs} epochs"
    standing = f"; best {best.value:.4f} (trial {best.number})" if best is not None else ""
    return f"trial {last.number} ({done} of {wanted}) {last.state}: {outcome}: {shown(last.draw)}{standing}"
