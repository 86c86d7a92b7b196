"""Checkpoints open anywhere, TensorBoard shows what the history tells, and the best epoch is the one of the loss."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys_spark.errors import ConfigError
from recsys_spark.models.registry import model_for
from recsys_spark.models.settings import (
    ClassifierSettings,
    DotSettings,
    MlpSettings,
    ModelSettings,
    PosteriorMfSettings,
)
from recsys_spark.training.callbacks import on_request
from recsys_spark.training.feed import TrainingRows
from recsys_spark.training.fit import Trainer
from recsys_spark.training.fits import train
from recsys_spark.training.fitted import Fitted
from recsys_spark.training.settings import TrainingSettings
from tests.training.test_fit import N_ITEMS, N_USERS, ROWS, VALIDATION, sides_of

DOT = DotSettings(embedding_size=4, l2=0.1)
MLP = MlpSettings(embedding_size=4, layers=(8,), dropout=0.2)
CLASSIFIER = ClassifierSettings(embedding_size=4, layers=(8,))
PAIRS = {
    name: np.ravel(index).astype(np.int32)
    for name, index in zip(("user", "item"), np.mgrid[:N_USERS, :N_ITEMS], strict=True)
}


def fit(model: ModelSettings = DOT, *, epochs: int = 3, **training: Any) -> Fitted:
    settings = TrainingSettings(**{"epochs": epochs, "batch_size": 50, "learning_rate": 0.02, **training})
    return Trainer(model_for(model), settings, sides_of).fit("validated", ROWS, epochs=epochs, validation=VALIDATION)


def reopened(file: Path) -> Any:
    import keras

    return keras.models.load_model(file, safe_mode=True).predict(PAIRS, verbose=0)


class TestCheckpoints:
    @pytest.fixture(scope="class", params=[MLP, CLASSIFIER], ids=lambda model: model.name)
    @classmethod
    def kept(cls, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Fitted, Path]:
        folder = tmp_path_factory.mktemp("new") / "made" / "here"
        return fit(request.param, checkpoints=str(folder), early_stopping=None), folder

    def test_there_is_one_for_each_epoch_and_the_last_predicts_as_the_fitted_network(
        self, kept: tuple[Fitted, Path]
    ) -> None:
        fitted, folder = kept
        files = sorted(folder.iterdir())
        assert [file.name for file in files] == [f"validated-000{epoch}.keras" for epoch in (1, 2, 3)]
        expected = fitted.network.predict(PAIRS, verbose=0)
        np.testing.assert_allclose(reopened(files[2]), expected, rtol=0, atol=1e-6)
        assert np.abs(reopened(files[0]) - expected).max() > 1e-3

    @pytest.mark.parametrize("kept", [MLP], indirect=True)
    def test_keeping_them_changes_no_weight(self, kept: tuple[Fitted, Path]) -> None:
        weights = (fitted.network.get_weights() for fitted in (kept[0], fit(MLP, early_stopping=None)))
        for watched, plain in zip(*weights, strict=True):
            np.testing.assert_array_equal(watched, plain)

    def test_that_of_a_sampler_is_its_draw_after_the_epoch(self, tmp_path: Path) -> None:
        model = PosteriorMfSettings(embedding_size=3, columns=6, burn_in=1, samples=2, score_std=True)
        fitted = fit(model, checkpoints=str(tmp_path), batch_size=1000)
        assert fitted.samples is not None
        # the second half of the columns is the draw of the third epoch; the scale of both makes a mean of a sum
        columns = slice(fitted.samples.user.shape[1] // 2, None)
        users, items = fitted.samples.user[PAIRS["user"], columns], fitted.samples.item[PAIRS["item"], columns]
        draw = reopened(tmp_path / "validated-0003.keras")[:, 0]
        np.testing.assert_allclose(draw, (users * items).sum(axis=1), rtol=0, atol=1e-5)
        assert draw.std() > 0.1

    def test_after_an_early_stop_the_best_epochs_one_predicts_as_the_fitted_network(self, tmp_path: Path) -> None:
        fitted = fit(checkpoints=str(tmp_path), epochs=40, early_stopping=1)
        assert len(list(tmp_path.iterdir())) == len(fitted.history) == fitted.epochs + 1 < 40
        best = reopened(tmp_path / f"validated-{fitted.epochs:04d}.keras")
        np.testing.assert_allclose(best, fitted.network.predict(PAIRS, verbose=0), rtol=0, atol=1e-6)

    def test_each_fit_of_a_run_bears_its_own_name(self, tmp_path: Path) -> None:
        rows = TrainingRows(ROWS.user, ROWS.item, ROWS.rating, np.arange(len(ROWS)).astype(np.uint8) % 3)
        settings = TrainingSettings(epochs=1, checkpoints=str(tmp_path), tensorboard=str(tmp_path / "logs"))
        train(Trainer(model_for(DOT), settings, sides_of), rows)
        names = ["evaluated", "published", "validated"]
        assert sorted(file.name for file in tmp_path.glob("*.keras")) == [f"{name}-0001.keras" for name in names]
        assert sorted(folder.name for folder in (tmp_path / "logs").iterdir()) == names


class TestTensorBoard:
    def test_it_shows_the_losses_of_every_epoch_on_both_parts(self, tmp_path: Path) -> None:
        fitted = fit(tensorboard=str(tmp_path), early_stopping=None)
        logged = {part: scalars(tmp_path / "validated" / part) for part in ("train", "validation")}
        losses = {part: shown["epoch_mse"] for part, shown in logged.items()}
        assert losses["train"] == pytest.approx([result.loss for result in fitted.history], rel=1e-6)
        assert losses["validation"] == pytest.approx([result.val_loss for result in fitted.history], rel=1e-6)
        # Keras' own loss has the penalty in it
        assert all(np.array(logged["train"]["epoch_loss"]) > losses["train"])

    def test_where_it_is_not_installed_a_hint_says_how_to_set_it_up(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        find = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, *more: None if name == "tensorboard" else find(name, *more)
        )
        with pytest.raises(ConfigError, match=r"training\.tensorboard: expected the package(.|\n)*RECSYS_EXTRAS"):
            fit(tensorboard=str(tmp_path))


class TestEarlyStopping:
    @pytest.fixture(scope="class")
    @classmethod
    def stopped(cls) -> Fitted:
        return fit(CLASSIFIER, epochs=60, early_stopping=2, learning_rate=0.05)

    def test_a_classifier_stops_by_its_cross_entropy_and_not_by_its_squared_error(self, stopped: Fitted) -> None:
        losses, squares = (np.array([getattr(r, name) for r in stopped.history]) for name in ("val_loss", "val_mse"))
        assert stopped.epochs == 1 + losses.argmin() == len(losses) - 2
        assert 1 + squares.argmin() != stopped.epochs

    def test_that_loss_is_the_mean_cross_entropy_of_the_validation_rows(self, stopped: Fitted) -> None:
        pairs = {"user": VALIDATION.user, "item": VALIDATION.item}
        chances = stopped.network.predict(pairs, verbose=0)[
            np.arange(len(VALIDATION)), VALIDATION.rating.astype(int) - 1
        ]
        assert stopped.history[stopped.epochs - 1].val_loss == pytest.approx(-np.log(chances).mean(), rel=1e-4)


def test_nothing_is_kept_that_was_not_asked_for() -> None:
    network = model_for(DOT).build(sides_of(ROWS))
    assert on_request(TrainingSettings(), "evaluated", network) == []


def scalars(folder: Path) -> dict[str, list[float]]:
    """The values that an event file holds, by name and in the order of the epochs."""
    import tensorflow as tf
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

    events = EventAccumulator(str(folder))
    events.Reload()
    names = events.Tags()["tensors"]
    return {name: [float(tf.make_ndarray(e.tensor_proto)) for e in events.Tensors(name)] for name in names}
