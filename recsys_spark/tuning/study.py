"""A study on disk: what was drawn and what became of it, so that a search goes on after a kill.

Every step is a line of Optuna's journal. The n-th draw comes from a sampler of its own, whose seed depends on the
study's seed and n alone, and draws see finished trials only. So a search that was killed and continued draws what an
undisturbed one would have drawn: a trial whose process ended counts as failed, and its draw is made once more, as a
further trial. (Hyperband gives trials to its brackets by their number, so it may end others than without the kill.)
"""

from __future__ import annotations

import fcntl
import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from recsys_spark.errors import LockedError
from recsys_spark.tuning.settings import TuneSettings
from recsys_spark.tuning.space import Draw

if TYPE_CHECKING:
    import optuna

JOURNAL = "journal.log"

DRAW, DRAWN, EPOCHS, MESSAGE = "draw", "drawn", "epochs", "message"
"""What a trial notes beside its value: the draw that it repeats, that all its settings are drawn, the epochs whose
weights count, and why it failed."""

_ATTEMPTS = 3
"""A draw whose process has ended that often is given up: maybe it was that draw which needed too much memory."""

_FREE_TRIALS = 5
_FREE_EPOCHS = 2
"""The median of fewer trials than that ends none, and no trial ends before that epoch is over: slow ones start low."""


class TrialResult(NamedTuple):
    """A finished trial."""

    number: int
    """From 0."""

    state: Literal["complete", "pruned", "failed"]
    """pruned: ended early."""

    value: float | None
    """The error on the validation part; of a pruned trial, after its last epoch; none: it failed."""

    epochs: int | None
    """After which that error was measured; none: it failed."""

    draw: Draw
    """What was tried."""

    message: str | None
    """Why it failed, or which trial it repeats."""

    seconds: float | None
    """From the draw to the end; none: its process ended first."""

    started_at: datetime
    """UTC."""


@contextmanager
def opened(folder: Path, tune: TuneSettings, *, most_epochs: int) -> Iterator[optuna.Study]:
    """The study in a folder, made if it is not there; its name is the folder's.

    Trials that a killed process left are marked as failed and queued again.

    Args:
        folder: of this study alone.
        tune: sampler, pruner and seed.
        most_epochs: of any trial.

    Raises:
        LockedError: another process has the study open.
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    folder.mkdir(parents=True, exist_ok=True)
    with _held(folder):
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # the search speaks for itself
        journal = folder / JOURNAL
        _drop_what_a_kill_left(journal)
        study = optuna.create_study(
            study_name=folder.name,
            storage=JournalStorage(JournalFileBackend(str(journal))),
            pruner=_pruner(tune, most_epochs),
            load_if_exists=True,
        )
        _queue_abandoned(study)
        yield study


def next_trial(study: optuna.Study, tune: TuneSettings) -> optuna.Trial:
    """A trial to be run: one that is queued, else a new one."""
    from optuna.samplers import RandomSampler, TPESampler
    from optuna.trial import TrialState

    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    draw = _draws(study)[waiting[0].number] if waiting else len(set(_draws(study).values()))
    seed = int(np.random.SeedSequence([tune.seed, draw]).generate_state(1)[0])
    study.sampler = TPESampler(seed=seed) if tune.sampler == "tpe" else RandomSampler(seed=seed)
    return study.ask()


def n_finished(study: optuna.Study) -> int:
    """How many draws are done with. A draw that was tried again counts once."""
    from optuna.trial import TrialState

    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    return len(set(_draws(study).values())) - len(waiting)


def results(study: optuna.Study) -> tuple[TrialResult, ...]:
    """The finished trials by number."""
    trials = study.get_trials(deepcopy=False)
    return tuple(_result(trial) for trial in trials if trial.state.is_finished())


def _result(trial: optuna.trial.FrozenTrial) -> TrialResult:
    from optuna.trial import TrialState

    states: dict[Any, Literal["complete", "pruned", "failed"]]
    states = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
    state, message = states[trial.state], trial.user_attrs.get(MESSAGE)
    abandoned = state == "failed" and message is None
    return TrialResult(
        number=trial.number,
        state=state,
        value=None if state == "failed" else trial.value,
        epochs=trial.last_step if state == "pruned" else trial.user_attrs.get(EPOCHS),
        draw=dict(trial.params),
        message="its process ended before it did" if abandoned else message,
        seconds=None if abandoned or trial.duration is None else trial.duration.total_seconds(),
        started_at=(trial.datetime_start or datetime.now()).astimezone(UTC),
    )


def _draws(study: optuna.Study) -> dict[int, int]:
    """The draw that each trial makes, by the trial's number."""
    new = itertools.count()
    trials = sorted(study.get_trials(deepcopy=False), key=lambda trial: trial.number)
    return {t.number: t.user_attrs[DRAW] if DRAW in t.user_attrs else next(new) for t in trials}


def _queue_abandoned(study: optuna.Study) -> None:
    """Queue the draws of running trials, of which there are none in this process yet, and mark those as failed.

    In that order, and a trial that is queued already is not queued again: so a kill in between loses nothing.
    """
    from optuna.trial import TrialState

    draws = _draws(study)
    attempts, last = Counter(draws.values()), {draw: number for number, draw in draws.items()}
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        draw = draws[trial.number]
        if last[draw] == trial.number and attempts[draw] < _ATTEMPTS:
            # of settings drawn in part, the other part would not be what the same seed gives
            params = trial.params if DRAWN in trial.user_attrs else {}
            study.enqueue_trial(params, user_attrs={DRAW: draw})
        study.tell(trial.number, state=TrialState.FAIL)


def _pruner(tune: TuneSettings, most_epochs: int) -> optuna.pruners.BasePruner:
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

    match tune.pruner:
        case "median":
            return MedianPruner(n_startup_trials=_FREE_TRIALS, n_warmup_steps=_FREE_EPOCHS)
        case "hyperband":
            return HyperbandPruner(min_resource=1, max_resource=most_epochs)
        case "none":
            return NopPruner()


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Keep other processes out of a study. The system lets go of the lock of a process that ends, however it ends."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            hint = "wait for it to end, or change something in the section tune for a study of its own"
            raise LockedError(str(folder), expected="a free study", found="one that is searched", hint=hint) from None
        yield


def _drop_what_a_kill_left(journal: Path) -> None:
    """Cut off a line that was not written to its end, which no reader could read past, and remove Optuna's own lock."""
    journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)
    if journal.exists():
        with journal.open("rb+") as file:
            file.truncate(file.read().rfind(b"\n") + 1)
