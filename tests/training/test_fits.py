"""Which rows each of the three fits uses, for how many epochs, and which fits there are."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from recsys_spark.models.dot import Dot
from recsys_spark.models.settings import DotSettings
from recsys_spark.models.sides import Sides
from recsys_spark.training.epochs import EpochResult
from recsys_spark.training.feed import PARTS, TrainingRows
from recsys_spark.training.fit import Trainer
from recsys_spark.training.fits import TrainedModels, train
from recsys_spark.training.fitted import Fitted
from recsys_spark.training.settings import TrainingSettings
from recsys_spark.training.target import TargetScaling

BEST_EPOCH = 3


class Call(NamedTuple):
    """One fit: its name, the users of its rows and of its validation rows, its epochs."""

    name: str
    users: list[int]
    validation: list[int] | None
    epochs: int


def rows_in(parts: str) -> TrainingRows:
    """One row for each letter: t(rain), v(alidation), or x for test; user and item are its position."""
    number = np.arange(len(parts), dtype=np.int32)
    return TrainingRows(
        number, number, np.ones(len(parts), np.float32), np.array(["tvx".index(p) for p in parts], np.uint8)
    )


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """The fits asked for. None is run: one with validation rows finds `BEST_EPOCH`, others take the epochs given."""
    recorded: list[Call] = []

    def fit(
        self: Trainer, name: str, rows: TrainingRows, *, epochs: int, validation: TrainingRows | None = None
    ) -> Fitted:
        recorded.append(
            Call(name, rows.user.tolist(), None if validation is None else validation.user.tolist(), epochs)
        )
        taken = epochs if validation is None or self.settings.early_stopping is None else BEST_EPOCH
        history = (EpochResult(name, 1, 1.0, None, 1.0),)
        return Fitted(self.model, None, TargetScaling(), None, taken, history)

    monkeypatch.setattr(Trainer, "fit", fit)
    return recorded


def train_on(parts: str, **training: Any) -> TrainedModels:
    rows = rows_in(parts)
    return train(DotSettings(), TrainingSettings(**training), rows, sides_of=lambda _: Sides(len(rows), len(rows)))


def test_epochs_are_found_on_validation_and_the_published_model_is_fitted_on_everything(calls: list[Call]) -> None:
    models = train_on("tvxtvxt", epochs=9)
    assert calls == [
        Call("validated", [0, 3, 6], [1, 4], 9),
        Call("evaluated", [0, 1, 3, 4, 6], None, BEST_EPOCH),
        Call("published", [0, 1, 2, 3, 4, 5, 6], None, BEST_EPOCH),
    ]
    assert models.epochs == BEST_EPOCH
    assert [result.fit for result in models.history] == ["validated", "evaluated", "published"]


def test_without_a_validation_part_the_epochs_of_the_settings_are_run(calls: list[Call]) -> None:
    models = train_on("txt", epochs=9)
    assert calls == [Call("evaluated", [0, 2], None, 9), Call("published", [0, 1, 2], None, 9)]
    assert models.validated is None


def test_without_early_stopping_validation_is_measured_and_the_epochs_of_the_settings_are_run(
    calls: list[Call],
) -> None:
    train_on("tvx", epochs=9, early_stopping=None)
    assert [(call.name, call.validation, call.epochs) for call in calls] == [
        ("validated", [1], 9),
        ("evaluated", None, 9),
        ("published", None, 9),
    ]


def test_without_a_test_part_the_same_rows_are_not_fitted_twice(calls: list[Call]) -> None:
    models = train_on("tvt")
    assert [(call.name, call.users) for call in calls] == [("validated", [0, 2]), ("evaluated", [0, 1, 2])]
    assert models.published is models.evaluated
    assert [result.fit for result in models.history] == ["validated", "evaluated"]


def test_with_nothing_held_out_there_is_one_fit(calls: list[Call]) -> None:
    models = train_on("ttt")
    assert [call.name for call in calls] == ["evaluated"]
    assert models.published is models.evaluated


def test_without_refitting_the_evaluated_model_is_published(calls: list[Call]) -> None:
    models = train_on("tvx", refit=False)
    assert [call.name for call in calls] == ["validated", "evaluated"]
    assert models.published is models.evaluated


def test_each_fit_starts_afresh_and_scales_its_target_by_its_own_rows() -> None:
    random = np.random.default_rng(0)
    user, item = (random.integers(0, 12, 240).astype(np.int32) for _ in range(2))
    part = random.integers(0, 3, 240).astype(np.uint8)
    rows = TrainingRows(user, item, (1 + part).astype(np.float32), part)
    settings = TrainingSettings(epochs=2, batch_size=32, early_stopping=1)
    sides_of = lambda _: Sides(12, 12)  # noqa: E731
    models = train(DotSettings(embedding_size=2), settings, rows, sides_of=sides_of)
    assert models.validated is not None
    for fitted, parts in ((models.validated, PARTS[:1]), (models.evaluated, PARTS[:2]), (models.published, PARTS)):
        assert fitted.target.offset == pytest.approx(rows.select(*parts).rating.mean(), rel=1e-6)
        assert len(fitted.history) >= fitted.epochs == models.epochs
    alone = Trainer(Dot(DotSettings(embedding_size=2)), settings, sides_of).fit("published", rows, epochs=models.epochs)
    for weights, expected in zip(models.published.network.get_weights(), alone.network.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, expected)
