"""A fit that was killed and goes on gives the weights of one that never stopped, to the bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys_spark.models.registry import MODELS, model_for
from recsys_spark.models.settings import (
    BlendPart,
    BlendSettings,
    BprSettings,
    ClassifierSettings,
    DotSettings,
    IalsSettings,
    JointSettings,
    MlpSettings,
    ModelSettings,
    PosteriorMfSettings,
    SoftmaxSettings,
)
from recsys_spark.models.sides import Sides
from recsys_spark.storage import Folder
from recsys_spark.training.checkpoints import Checkpoints, KeptFit
from recsys_spark.training.epochs import FitNews, Watcher, nobody
from recsys_spark.training.fit import Trainer
from recsys_spark.training.fits import TrainedModels, train
from recsys_spark.training.fitted import Fitted
from recsys_spark.training.rows import TrainingRows
from recsys_spark.training.settings import TrainingSettings
from tests.training.test_fit import N_ITEMS, N_USERS, ROWS, VALIDATION, random_rows, sides_of

Case = tuple[ModelSettings, dict[str, Any]]

RANKING = {"objective": "ranking", "batch_size": 4}

CASES: dict[str, Case] = {
    "dot": (DotSettings(embedding_size=4, l2=0.05), {"optimizer": "adam", "schedule": "exponential"}),
    "dot by xla": (DotSettings(embedding_size=4), {"optimizer": "sgd", "momentum": 0.9, "xla": True}),
    "mlp": (MlpSettings(embedding_size=4, layers=(8,), dropout=0.3, embedding_dropout=0.1), {}),
    "classifier": (ClassifierSettings(embedding_size=4, layers=(8,), dropout=0.2), {"schedule": "cosine"}),
    "posterior_mf": (
        PosteriorMfSettings(embedding_size=3, columns=5, burn_in=1, samples=4, step=0.2, score_std=True),
        {"batch_size": 150},
    ),
    "ials": (IalsSettings(embedding_size=4), RANKING),
    "joint": (JointSettings(embedding_size=4), RANKING),
    "bpr": (BprSettings(embedding_size=4), RANKING),
    "softmax": (SoftmaxSettings(embedding_size=4, negatives=6), RANKING),
    "blend": (BlendSettings(parts=(BlendPart(model=IalsSettings(embedding_size=4)),)), RANKING),
}
LONG = ("dot by xla", "mlp", "classifier")
EPOCHS, KILLED_IN = 5, 4
FITS = ("validated", "evaluated", "published")

EARLY: Case = (DotSettings(embedding_size=8), {"early_stopping": 3, "learning_rate": 0.05, "epochs": 30})


class KilledError(Exception):
    """Raised out of a fit where a kill would have ended it."""


def killing(fit: str, epoch: int, how: Callable[[], None]) -> Watcher:
    """A watcher that ends everything when an epoch is over, before its state is kept."""

    def watch(news: FitNews) -> None:
        if (news.fit, news.epoch, news.what) == (fit, epoch, "epoch"):
            how()

    return watch


def raise_killed() -> None:
    raise KilledError


def trainer(case: Case, folder: Path | None, watcher: Watcher = nobody, *, seconds: float = 0) -> Trainer:
    model, changed = case
    given = {"batch_size": 32, "epochs": EPOCHS, "learning_rate": 0.02, "early_stopping": None, **changed}
    settings = TrainingSettings(**given)
    kept = None if folder is None else Checkpoints(Folder(str(folder)), seconds)
    return Trainer(model_for(model), settings, sides_of, watcher=watcher, checkpoints=kept)


def fitted(case: Case, folder: Path | None = None, watcher: Watcher = nobody) -> Fitted:
    fitting = trainer(case, folder, watcher)
    return fitting.fit("validated", ROWS, epochs=fitting.settings.epochs, validation=VALIDATION)


def outcome(fit: Fitted) -> list[Any]:
    """All that must be the same: weights and samples to the bit, and the history but for the speed."""
    arrays = [*fit.network.get_weights(), *(fit.samples.tensors().values() if fit.samples else ())]
    history = [result._replace(rows_per_second=0.0) for result in fit.history]
    return [[array.tobytes() for array in arrays], fit.epochs, fit.n_samples, history]


def outcomes(models: TrainedModels) -> dict[str, Any]:
    return {name: outcome(fit) for name, fit in models.fits.items()}


def test_every_model_is_among_the_cases() -> None:
    assert {model.name for model, _ in CASES.values()} == set(MODELS)


@pytest.mark.parametrize("name", [pytest.param(c, marks=pytest.mark.slow) if c in LONG else c for c in CASES])
def test_a_fit_that_was_killed_goes_on_to_the_same_weights(name: str, tmp_path: Path) -> None:
    heard: list[FitNews] = []
    with pytest.raises(KilledError):
        fitted(CASES[name], tmp_path, killing("validated", KILLED_IN, raise_killed))
    resumed = fitted(CASES[name], tmp_path, heard.append)
    assert {news.epoch for news in heard if news.what == "epoch"} == set(range(KILLED_IN, len(resumed.history) + 1))
    assert outcome(resumed) == outcome(fitted(CASES[name]))


def test_early_stopping_remembers_its_best_epoch(tmp_path: Path) -> None:
    clean = fitted(EARLY)
    assert clean.epochs + 3 == len(clean.history) < EARLY[1]["epochs"]
    with pytest.raises(KilledError):
        fitted(EARLY, tmp_path, killing("validated", clean.epochs + 2, raise_killed))
    assert outcome(fitted(EARLY, tmp_path)) == outcome(clean)


def test_a_fit_on_disk_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    from recsys_spark.training.rows import gathered

    rows = gathered(ROWS.chunks(), len(ROWS), scratch=tmp_path / "rows")

    def fit(folder: Path | None, watcher: Watcher = nobody) -> Fitted:
        return trainer(CASES["dot"], folder, watcher).fit("evaluated", rows, epochs=4)

    with pytest.raises(KilledError):
        fit(tmp_path / "states", killing("evaluated", 3, raise_killed))
    assert outcome(fit(tmp_path / "states")) == outcome(fit(None))


@pytest.mark.slow
class TestThreeFits:
    """The fits of a run, killed once in each of them, and started again each time."""

    ROWS = TrainingRows(ROWS.user, ROWS.item, ROWS.rating, (np.arange(len(ROWS)) % 3).astype(np.uint8))
    CASE: Case = (DotSettings(embedding_size=4), {"epochs": 4})

    @pytest.fixture(scope="class")
    @classmethod
    def clean(cls, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
        """What fits that nobody kills give, and where they kept states, but for hours apart."""
        folder = tmp_path_factory.mktemp("clean")
        return outcomes(train(trainer(cls.CASE, folder, seconds=1e9), cls.ROWS)), folder

    def test_what_was_done_is_not_run_again_and_the_weights_are_the_same(
        self, clean: tuple[dict[str, Any], Path], tmp_path: Path
    ) -> None:
        heard: list[tuple[str, int]] = []

        def started(kill: Watcher) -> Trainer:
            def watch(news: FitNews) -> None:
                if news.what == "epoch":
                    heard.append((news.fit, news.epoch))
                kill(news)

            return trainer(self.CASE, tmp_path, watch)

        for fit in FITS:
            with pytest.raises(KilledError):
                train(started(killing(fit, 3, raise_killed)), self.ROWS)
        last = started(nobody)
        assert outcomes(train(last, self.ROWS)) == clean[0]
        # the epoch that a kill fell into is run twice, and no other one
        assert heard == [(fit, epoch) for fit in FITS for epoch in (1, 2, 3, 3, 4)]
        assert last.checkpoints is not None
        assert last.checkpoints.resumed == {"validated": 4, "evaluated": 4, "published": 2}

    def test_however_long_between_states_the_end_of_each_fit_is_kept(self, clean: tuple[dict[str, Any], Path]) -> None:
        assert {file.name for file in clean[1].glob("*.npz")} == {f"{fit}-000004-over.npz" for fit in FITS}

    def test_a_process_that_was_killed_is_continued_by_another_one(
        self, clean: tuple[dict[str, Any], Path], tmp_path: Path
    ) -> None:
        code = f"from tests.training.test_resuming import killed_for_good; killed_for_good({str(tmp_path)!r})"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        again = trainer(self.CASE, tmp_path)
        assert outcomes(train(again, self.ROWS)) == clean[0]
        assert again.checkpoints is not None
        assert again.checkpoints.resumed == {"validated": 4, "evaluated": 2}


def killed_for_good(folder: str) -> None:
    """What the process does: it is gone in the third epoch of the second fit."""
    watcher = killing("evaluated", 3, lambda: os.kill(os.getpid(), signal.SIGKILL))
    train(trainer(TestThreeFits.CASE, Path(folder), watcher), TestThreeFits.ROWS)


class TestOtherInputs:
    @staticmethod
    def key(**changed: Any) -> str:
        """Of the states of a fit that ends as soon as it asks for them."""
        asked: dict[str, Any] = {"model": DotSettings(embedding_size=2), "rows": ROWS, "sides": Sides(N_USERS, N_ITEMS)}
        asked |= {"validation": None, "start": None, "epochs": 3, "training": {}, **changed}
        keys: list[str] = []

        class Asked(Checkpoints):
            def of(self, fit: str, key: str) -> KeptFit:
                keys.append(key)
                raise KilledError

        settings, kept = TrainingSettings(batch_size=64, **asked["training"]), Asked(Folder("nowhere"), 0)
        fitting = Trainer(model_for(asked["model"]), settings, lambda _: asked["sides"], checkpoints=kept)
        with pytest.raises(KilledError):
            fitting.fit(
                "evaluated", asked["rows"], epochs=asked["epochs"], validation=asked["validation"], start=asked["start"]
            )
        return keys[0]

    @pytest.mark.parametrize(
        "changed",
        [
            {"rows": random_rows(300, seed=9)},
            {"validation": VALIDATION},
            {"sides": Sides(N_USERS + 1, N_ITEMS)},
            {"sides": Sides(N_USERS, N_ITEMS, item_features=np.ones((N_ITEMS, 1), np.float32))},
            {"model": DotSettings(embedding_size=3)},
            {"training": {"seed": 7}},
            {"epochs": 4},
            {"start": {"user_bias.0": np.zeros((N_USERS, 1), np.float32)}},
        ],
        ids=["rows", "validation", "users", "features", "model", "seed", "epochs", "first weights"],
    )
    def test_a_fit_with_other_ones_begins_anew(self, changed: dict[str, Any]) -> None:
        assert self.key(**changed) != self.key()

    def test_what_changes_no_weight_may_change(self) -> None:
        assert self.key(training={"checkpoint_seconds": 5, "warm_start": True, "clip": True}) == self.key()
