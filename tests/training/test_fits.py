"""Which rows each of the three fits uses, for how many epochs, and which fits there are."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from recsys_spark.manifest import FitName
from recsys_spark.models.dot import Dot
from recsys_spark.models.posterior_mf import PosteriorMf
from recsys_spark.models.settings import DotSettings, PosteriorMfSettings
from recsys_spark.models.sides import Sides
from recsys_spark.models.warm import Weights, weights_of
from recsys_spark.training.epochs import EpochResult
from recsys_spark.training.feed import PARTS, TrainingRows
from recsys_spark.training.fit import Trainer
from recsys_spark.training.fits import TrainedModels, planned, train
from recsys_spark.training.fitted import Fitted
from recsys_spark.training.settings import TrainingSettings
from recsys_spark.training.target import TargetScaling

BEST_EPOCH = 3


ALL_FITS: tuple[FitName, ...] = ("validated", "evaluated", "published")


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
        self: Trainer,
        name: str,
        rows: TrainingRows,
        *,
        epochs: int,
        validation: TrainingRows | None = None,
        start: Weights | None = None,
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
    return train(Trainer(Dot(DotSettings()), TrainingSettings(**training), lambda _: Sides(len(rows), len(rows))), rows)


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
    trainer = Trainer(Dot(DotSettings(embedding_size=2)), settings, lambda _: Sides(12, 12))
    models = train(trainer, rows)
    assert models.validated is not None
    for fitted, parts in ((models.validated, PARTS[:1]), (models.evaluated, PARTS[:2]), (models.published, PARTS)):
        assert fitted.target.offset == pytest.approx(rows.select(*parts).rating.mean(), rel=1e-6)
        assert len(fitted.history) >= fitted.epochs == models.epochs
    alone = trainer.fit("published", rows, epochs=models.epochs)
    for weights, expected in zip(models.published.network.get_weights(), alone.network.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, expected)


@pytest.mark.parametrize(
    ("parts", "refit", "expected"),
    [
        ("tvx", True, ALL_FITS),
        ("tvx", False, ALL_FITS[:2]),
        ("tv", True, ALL_FITS[:2]),
        ("tx", True, ALL_FITS[1:]),
        ("t", True, ("evaluated",)),
    ],
)
def test_the_fits_that_are_planned_are_those_that_are_run(
    calls: list[Call], parts: str, refit: bool, expected: tuple[FitName, ...]
) -> None:
    models = train_on(parts, refit=refit)
    assert planned(rows_in(parts), TrainingSettings(refit=refit)) == expected
    assert tuple(call.name for call in calls) == tuple(models.fits) == expected


class TestWarmStart:
    """Two nights: the second has more users and more rows, and starts each fit from the first night's."""

    @staticmethod
    def night(n: int, *, changed: str = "") -> TrainingRows:
        """The first n rows of a fixed sequence, with other ratings in the parts named."""
        random = np.random.default_rng(3)
        user, item = (random.integers(0, 12, 400).astype(np.int32) for _ in range(2))
        part = random.integers(0, 3, 400).astype(np.uint8)
        rating = random.integers(1, 6, 400).astype(np.float32)
        # what is rated otherwise has the same mean: a target is centred by the rows of its fit alone all the same
        other = np.isin(part, ["tvx".index(letter) for letter in changed])
        rating[other] = 6 - rating[other]
        return TrainingRows(user[:n], item[:n], rating[:n], part[:n])

    @classmethod
    def learned(cls, changed: str) -> dict[FitName, list[bytes]]:
        """The weights of each fit of the second night."""
        settings = TrainingSettings(epochs=4, batch_size=32, early_stopping=None)
        trainer = Trainer(Dot(DotSettings(embedding_size=2)), settings, lambda _: Sides(12, 12))
        first = train(trainer, cls.night(300, changed=changed))
        starts = {name: weights_of(fit.network) for name, fit in first.fits.items()}
        models = train(trainer, cls.night(400, changed=changed), starts=starts)
        assert models.epochs == 2, "half of those of a cold start"
        return {name: [w.tobytes() for w in fit.network.get_weights()] for name, fit in models.fits.items()}

    def test_no_fit_knows_anything_of_the_rows_that_it_is_judged_by_neither_from_tonight_nor_from_before(self) -> None:
        as_it_was, other_test, other_validation = (self.learned(changed) for changed in ("", "x", "v"))
        assert [name for name in ALL_FITS if other_test[name] == as_it_was[name]] == ["validated", "evaluated"]
        assert [name for name in ALL_FITS if other_validation[name] == as_it_was[name]] == ["validated"]

    @pytest.mark.parametrize(("warm_epochs", "expected"), [(None, (151, 5)), (3, (3, 1))])
    def test_a_sampler_needs_a_twentieth_of_its_burn_in_and_never_all_epochs(
        self, warm_epochs: int | None, expected: tuple[int, int]
    ) -> None:
        settings = TrainingSettings(epochs=301, warm_epochs=warm_epochs)
        warm = Trainer(PosteriorMf(PosteriorMfSettings(burn_in=100)), settings, lambda _: Sides(1, 1)).warm()
        assert isinstance(warm.model, PosteriorMf)
        assert (warm.settings.epochs, warm.model.settings.burn_in) == expected

    def test_epochs_of_their_own_win(self) -> None:
        warm = Trainer(Dot(DotSettings()), TrainingSettings(epochs=30, warm_epochs=5), lambda _: Sides(1, 1)).warm()
        assert warm.settings.epochs == 5

    def test_vectors_start_shorter_by_the_settings_and_biases_as_they_were(self) -> None:
        settings = TrainingSettings(epochs=1, learning_rate=1e-9, warm_shrink=0.25, early_stopping=None)
        trainer = Trainer(Dot(DotSettings(embedding_size=2)), settings, lambda _: Sides(12, 12))
        rows = self.night(300, changed="")
        before = weights_of(trainer.fit("validated", rows, epochs=1).network)
        after = weights_of(trainer.fit("validated", rows, epochs=1, start=before).network)
        for name, factor in (("user_embedding.0", 0.25), ("item_embedding.0", 0.25), ("user_bias.0", 1.0)):
            assert np.abs(before[name]).max() > 0
            np.testing.assert_allclose(after[name], factor * before[name], atol=1e-6)
