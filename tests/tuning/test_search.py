"""The search: which rows it sees, that it goes on after a kill, ends hopeless trials and survives failing ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys_spark import config
from recsys_spark.errors import ConfigError, DataError, LockedError
from recsys_spark.models.sides import Sides
from recsys_spark.settings import Settings
from recsys_spark.storage import Folder
from recsys_spark.training.feed import PARTS, TrainingRows
from recsys_spark.tuning import search as search_module
from recsys_spark.tuning.search import BEST, Found, TrialFit, fit_trial, search, write_best
from recsys_spark.tuning.space import Draw
from recsys_spark.tuning.study import JOURNAL
from tests.conftest import PROJECT

N_USERS, N_ITEMS = 12, 10
AREA = {"model.l2": {"low": 0.0, "high": 1.0}, "training.momentum": {"low": 0.0, "high": 0.9}}
TRAIN, VALIDATION, TEST = (PARTS.index(part) for part in ("train", "validation", "test"))

Search = Callable[..., Found]


def sides_of(rows: TrainingRows) -> Sides:
    return Sides(N_USERS, N_ITEMS)


def settings(space: dict[str, Any], **tune: Any) -> Settings:
    """A small dot product, three epochs at most, and a search of two draws of a random sampler."""
    section = {"sampler": "random", "pruner": "none", "trials": 2, **tune, "space": space}
    training = {"epochs": 3, "batch_size": 16, "learning_rate": 0.05, "early_stopping": 1}
    return Settings.model_validate(
        {"model": {"name": "dot", "embedding_size": 2}, "training": training, "tune": section}
    )


def checkerboard() -> TrainingRows:
    """Even users like even items; every fifth rating is validation, every seventh test."""
    user, item = (index.ravel().astype(np.int32) for index in np.mgrid[:N_USERS, :N_ITEMS])
    number = np.arange(len(user))
    part = np.where(number % 5 == 1, VALIDATION, np.where(number % 7 == 2, TEST, TRAIN)).astype(np.uint8)
    rating = np.where((user + item) % 2 == 0, 5, 1).astype(np.float32)
    return TrainingRows(user, item, rating, part)


@pytest.fixture
def run(tmp_path: Path) -> Search:
    """Searches on the checkerboard, each in the same study unless it names another."""

    def run(base: Settings, *, rows: TrainingRows | None = None, study: str = "study", say: Any = None) -> Found:
        folder = Folder(str(tmp_path / "tuning")) / study
        rows = checkerboard() if rows is None else rows
        return search(base, rows, lambda _: sides_of, folder=folder, say=say or (lambda _: None))

    return run


class Valley:
    """In place of fits: the error is lowest at l2 = 0.3. The fits asked for are kept; some of them break off."""

    def __init__(self) -> None:
        self.fitted: list[Settings] = []
        self.kill_at: int | None = None

    def __call__(
        self,
        settings: Settings,
        rows: TrainingRows,
        sides_of: Any,
        *,
        after_epoch: Callable[[int, float], None],
        **_: Any,
    ) -> TrialFit:
        self.fitted.append(settings)
        if len(self.fitted) - 1 == self.kill_at:
            raise KeyboardInterrupt
        error = (settings.model.l2 - 0.3) ** 2 + settings.training.momentum
        for epoch in range(1, settings.training.epochs + 1):
            after_epoch(epoch, error + 1 / epoch)
        return TrialFit(error, settings.training.epochs)


@pytest.fixture
def valley(monkeypatch: pytest.MonkeyPatch) -> Valley:
    valley = Valley()
    monkeypatch.setattr(search_module, "fit_trial", valley)
    return valley


def tried(found: Found) -> list[Draw]:
    """The draws of the trials that were run to an end, in order."""
    return [trial.draw for trial in found.trials if trial.state != "failed"]


def test_the_test_part_is_never_seen(run: Search) -> None:
    clean = checkerboard()
    poisoned = checkerboard()
    poisoned.rating[poisoned.part == TEST] = np.nan
    poisoned.user[poisoned.part == TEST] = 1_000_000
    poisoned.item[poisoned.part == TEST] = -7
    base = settings({"model.l2": [0.01, 0.5]}, trials=1)

    found, expected = run(base, rows=poisoned, study="poisoned"), run(base, rows=clean, study="clean")

    assert [trial.state for trial in found.trials] == ["complete"]
    assert found.best.value == expected.best.value


def test_the_value_of_a_trial_is_the_error_of_its_best_epoch_on_validation_in_rating_units() -> None:
    base = settings({"model.l2": [0.01, 0.5]})
    halved = config.merged(config.as_tree(base), {"training": {"target": "standardised", "early_stopping": None}})
    rows = checkerboard().select("train", "validation")

    fits = {
        metric: fit_trial(
            Settings.model_validate(config.merged(halved, {"tune": {"metric": metric}})),
            rows,
            sides_of,
            after_epoch=lambda epoch, error: None,
        )
        for metric in ("mse", "mae")
    }

    # ratings are 1 or 5, and a fit of three epochs has learned little: off by about 2, in units of the target by 1
    assert fits["mse"].epochs == 3
    assert 2.5 < fits["mse"].error < 5
    assert 1.4 < fits["mae"].error < 2.5


def test_the_best_trial_is_the_one_of_the_smallest_error(run: Search, valley: Valley) -> None:
    found = run(settings(AREA, trials=12))

    values = [trial.value for trial in found.trials]
    assert len(set(values)) == 12
    assert found.best.value == min(v for v in values if v is not None)
    assert found.settings.model.l2 == found.best.draw["model.l2"]
    assert found.settings.training.momentum == found.best.draw["training.momentum"]


@pytest.mark.parametrize("sampler", ["random", "tpe"])
@pytest.mark.usefixtures("valley")
def test_the_same_seed_draws_the_same_trials_and_another_seed_others(run: Search, sampler: str) -> None:
    one, two = (run(settings(AREA, sampler=sampler, trials=14), study=name) for name in ("one", "two"))
    other = run(settings(AREA, sampler=sampler, trials=14, seed=43), study="other")

    assert tried(one) == tried(two)
    assert not [draw for draw in tried(other) if draw in tried(one)]
    assert len({json.dumps(draw) for draw in tried(one)}) == 14


@pytest.mark.usefixtures("valley")
def test_tpe_draws_nearer_to_the_best_than_random_does(run: Search) -> None:
    means = {}
    for sampler in ("random", "tpe"):
        found = run(settings(AREA, sampler=sampler, trials=40), study=sampler)
        means[sampler] = np.mean([trial.value for trial in found.trials[20:]])

    assert means["tpe"] < 0.7 * means["random"]


@pytest.mark.parametrize("sampler", ["random", "tpe"])
@pytest.mark.parametrize("killed", [0, 3, 12])
def test_a_killed_search_goes_on_as_if_it_had_not_been_killed(
    run: Search, valley: Valley, sampler: str, killed: int
) -> None:
    base = settings(AREA, sampler=sampler, trials=14)
    undisturbed = run(base, study="undisturbed")
    valley.fitted.clear()
    valley.kill_at = killed
    with pytest.raises(KeyboardInterrupt):
        run(base)

    found = run(base)

    assert tried(found) == tried(undisturbed)
    assert len(valley.fitted) == 15
    assert [(t.number, t.state, t.message) for t in found.trials if t.state == "failed"] == [
        (killed, "failed", "its process ended before it did")
    ]
    assert found.trials[killed].draw == found.trials[killed + 1].draw
    assert found.best.draw == undisturbed.best.draw


def test_a_line_that_was_not_written_to_its_end_is_dropped(run: Search, valley: Valley, tmp_path: Path) -> None:
    base = settings(AREA, trials=3)
    run(base)
    journal = tmp_path / "tuning" / "study" / JOURNAL
    journal.write_bytes(journal.read_bytes() + b'{"op_code":4,"worker')
    (tmp_path / "tuning" / "study" / f"{JOURNAL}.lock").symlink_to(journal)

    found = run(settings(AREA, trials=5))

    assert len(found.trials) == len(valley.fitted) == 5


def test_a_draw_that_ends_its_process_each_time_is_given_up(run: Search, valley: Valley) -> None:
    base = settings(AREA, trials=3)
    for attempt in range(3):
        valley.kill_at = attempt
        with pytest.raises(KeyboardInterrupt):
            run(base)
    valley.kill_at = None

    found = run(base)

    assert [trial.state for trial in found.trials] == ["failed"] * 3 + ["complete"] * 2
    assert found.trials[0].draw == found.trials[1].draw == found.trials[2].draw


def test_finished_trials_are_not_repeated_and_a_higher_number_adds_some(run: Search, valley: Valley) -> None:
    first = run(settings(AREA, trials=3))

    again = run(settings(AREA, trials=3))
    more = run(settings(AREA, trials=5))

    assert again.trials == first.trials
    assert more.trials[:3] == first.trials
    assert len(more.trials) == len(valley.fitted) == 5


def test_a_search_ends_after_its_time_with_the_trials_that_it_has(run: Search, valley: Valley) -> None:
    found = run(settings(AREA, trials=50, timeout=1e-9))

    assert len(found.trials) == len(valley.fitted) == 1


def test_the_same_draw_is_not_fitted_twice(run: Search, valley: Valley) -> None:
    found = run(settings({"model.l2": [0.1, 0.2]}, trials=8))

    assert len(valley.fitted) == 2
    assert [trial.state for trial in found.trials] == ["complete"] * 8
    assert len({(trial.draw["model.l2"], trial.value, trial.epochs) for trial in found.trials}) == 2
    assert found.trials[7].message in ("the settings of trial 0", "the settings of trial 1", "the settings of trial 2")


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
@pytest.mark.usefixtures("valley")
def test_trials_worse_than_others_end_early(run: Search, pruner: str) -> None:
    space = {"training.momentum": {"low": 0.0, "high": 0.9}, "training.epochs": [9]}

    found = run(settings(space, pruner=pruner, trials=20))

    pruned = [trial for trial in found.trials if trial.state == "pruned"]
    assert 3 < len(pruned) < 20
    assert all(trial.epochs is not None and trial.epochs < 9 for trial in pruned)
    assert found.best.epochs == 9
    assert found.best.value == min(trial.value for trial in found.trials if trial.value is not None)


@pytest.mark.usefixtures("valley")
def test_without_a_pruner_every_trial_runs_to_its_end(run: Search) -> None:
    found = run(settings(AREA, trials=20, pruner="none"))

    assert {(trial.state, trial.epochs) for trial in found.trials} == {("complete", 3)}


def test_a_fit_is_measured_after_each_epoch_and_can_be_ended_there() -> None:
    errors: dict[int, float] = {}

    def end_after_two(epoch: int, error: float) -> None:
        errors[epoch] = error
        if epoch == 2:
            raise StopIteration

    with pytest.raises(StopIteration):
        fit_trial(settings(AREA), checkerboard().select("train", "validation"), sides_of, after_epoch=end_after_two)

    assert list(errors) == [1, 2]
    assert all(np.isfinite(error) and error > 0 for error in errors.values())


def test_a_fit_that_diverges_fails_alone(run: Search) -> None:
    said: list[str] = []
    base = settings({"training.learning_rate": [0.05, 1e30], "training.optimizer": ["sgd"]}, trials=4, seed=2)

    found = run(base, say=said.append)

    failed = [trial for trial in found.trials if trial.state == "failed"]
    assert {trial.draw["training.learning_rate"] for trial in failed} == {"1e+30"}
    assert all("finite" in str(trial.message) and trial.value is None and trial.epochs is None for trial in failed)
    assert found.settings.training.learning_rate == 0.05
    assert len(said) == 4
    assert any("failed: data: training (validated): expected a finite loss" in line for line in said)
    assert "4 of 4" in said[-1]
    assert "best" in said[-1]


def test_a_search_in_which_every_trial_fails_says_why(run: Search) -> None:
    base = settings({"training.learning_rate": [1e30, 2e30], "training.optimizer": ["sgd"]}, trials=2)

    found = run(base)

    assert [trial.state for trial in found.trials] == ["failed", "failed"]
    with pytest.raises(DataError, match="expected a trial that reaches its end, found none; data: training"):
        _ = found.best


def test_a_search_without_rows_to_compare_by_is_refused(run: Search) -> None:
    rows = checkerboard()
    rows.part[rows.part == VALIDATION] = TEST

    with pytest.raises(DataError, match="part validation"):
        run(settings(AREA), rows=rows)


def test_a_space_that_is_not_sound_starts_nothing(run: Search, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="embedding_size"):
        run(settings({"model.embedding_size": [0]}))

    assert not (tmp_path / "tuning").exists()


def test_two_processes_do_not_search_one_study(run: Search) -> None:
    def nested(line: str) -> None:
        run(settings({"model.l2": [0.1]}, trials=3))

    with pytest.raises(LockedError, match="a free study"):
        run(settings({"model.l2": [0.1]}, trials=1), say=nested)


@pytest.mark.usefixtures("valley")
def test_the_configuration_found_can_be_given_to_a_job(run: Search, tmp_path: Path) -> None:
    files = [PROJECT / "conf" / "base.yaml", PROJECT / "conf" / "movielens-1m.yaml"]
    space = {"model.name": ["mlp", "dot"], "model.layers": [[4], [8, 4]], "training.early_stopping": [None, 2]}
    base = config.load(Settings, files, [f"tune.space={json.dumps(space)}", "tune.trials=6", "source.path=r.dat"])
    found = run(base)

    file = write_best(Folder(str(tmp_path)), found)

    assert file == tmp_path / BEST
    read = config.load(Settings, [PROJECT / "conf" / "base.yaml", file])
    assert read == found.settings.model_copy(update={"tune": Settings().tune})
    assert read.model.name == json.loads(str(found.best.draw["model.name"]))
