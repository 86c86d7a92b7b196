"""Learning rates follow their schedule, XLA is used where it pays, and neither changes what is learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recsys_spark.models.registry import model_for
from recsys_spark.models.settings import (
    ClassifierSettings,
    DotSettings,
    MlpSettings,
    ModelSettings,
    PosteriorMfSettings,
)
from recsys_spark.models.sides import Sides
from recsys_spark.training.compiling import compile_for, optimizer, uses_xla
from recsys_spark.training.fit import Trainer
from recsys_spark.training.fitted import Fitted
from recsys_spark.training.settings import TrainingSettings
from recsys_spark.training.target import TargetScaling
from tests.training.test_fit import ROWS, error_on, sides_of

RATE = 0.02


def fit(model: ModelSettings | None = None, *, epochs: int = 4, **training: Any) -> Fitted:
    settings = TrainingSettings(**{"epochs": 4, "batch_size": 50, "learning_rate": RATE, **training})
    trainer = Trainer(model_for(model or DotSettings(embedding_size=8)), settings, sides_of)
    return trainer.fit("evaluated", ROWS, epochs=epochs)


def rates(fitted: Fitted) -> list[float]:
    recorded = [result.learning_rate for result in fitted.history]
    return [rate for rate in recorded if rate is not None]


def rate_after(steps: int, *, steps_per_epoch: int = 10, **training: Any) -> float:
    settings = TrainingSettings(**{"epochs": 4, "learning_rate": RATE, **training})
    chosen = optimizer(settings, steps_per_epoch=steps_per_epoch)
    chosen.iterations.assign(steps)
    return float(chosen.learning_rate)


def compiled(batch_size: int, **training: Any) -> Any:
    model = model_for(DotSettings(embedding_size=2))
    network = model.build(Sides(3, 4))
    settings = TrainingSettings(batch_size=batch_size, **training)
    compile_for(network, model, settings, TargetScaling(), n_rows=1000)
    return network


class TestSchedule:
    def test_a_constant_learning_rate_is_that_of_the_settings_to_the_end(self) -> None:
        assert rates(fit()) == pytest.approx([RATE] * 4, rel=1e-6)

    def test_along_a_cosine_it_is_half_after_half_of_the_epochs_and_zero_at_the_end(self) -> None:
        assert rate_after(0, schedule="cosine") == pytest.approx(RATE)
        assert rate_after(20, schedule="cosine") == pytest.approx(RATE / 2)
        assert rate_after(40, schedule="cosine") == pytest.approx(0, abs=1e-9)

    @pytest.fixture(scope="class")
    @classmethod
    def cosine(cls) -> list[float]:
        return rates(fit(schedule="cosine"))

    def test_a_fit_ends_with_a_learning_rate_of_zero_after_all_epochs_of_the_settings(
        self, cosine: list[float]
    ) -> None:
        assert cosine == pytest.approx([RATE * (1 + np.cos(np.pi * k / 4)) / 2 for k in (1, 2, 3, 4)], abs=1e-8)

    def test_a_fit_of_fewer_epochs_sees_the_first_learning_rates_of_a_longer_one(self, cosine: list[float]) -> None:
        short = rates(fit(schedule="cosine", epochs=2))
        assert short == cosine[:2]
        assert short[-1] == pytest.approx(RATE / 2)

    def test_it_falls_by_the_factor_of_the_settings_in_every_epoch(self) -> None:
        assert rates(fit(schedule="exponential", decay=0.5)) == pytest.approx([RATE / 2**k for k in (1, 2, 3, 4)])
        # within an epoch too
        assert rate_after(5, schedule="exponential", decay=0.25) == pytest.approx(RATE / 2)

    def test_the_learning_rate_is_what_moves_the_weights(self) -> None:
        held, falling = (fit(schedule="exponential", decay=decay, optimizer="sgd") for decay in (1.0, 1e-6))
        losses = [[result.loss for result in fitted.history] for fitted in (held, falling)]
        assert losses[1][3] == pytest.approx(losses[1][2], rel=1e-6)
        assert losses[0][3] < losses[0][2] * (1 - 1e-4)


class TestOptimizer:
    @pytest.mark.parametrize(("name", "expected"), [("adam", "Adam"), ("sgd", "SGD")])
    def test_it_is_that_of_the_settings(self, name: Any, expected: str) -> None:
        assert type(optimizer(TrainingSettings(optimizer=name), steps_per_epoch=1)).__name__ == expected

    def test_momentum_reaches_sgd(self) -> None:
        assert optimizer(TrainingSettings(optimizer="sgd", momentum=0.7), steps_per_epoch=1).momentum == 0.7


class TestXla:
    GAINS = (DotSettings(), DotSettings(biases=False, l2=0.1))
    LOSES = (MlpSettings(), ClassifierSettings())

    @staticmethod
    def used(model: ModelSettings, *, rows: int, xla: bool | None = None) -> bool:
        return uses_xla(model_for(model), TrainingSettings(epochs=10, xla=xla), n_rows=rows)

    @pytest.mark.parametrize("model", GAINS)
    def test_dot_products_are_compiled_if_the_fit_is_long_enough_to_pay_for_it(self, model: ModelSettings) -> None:
        assert self.used(model, rows=500_000)
        assert not self.used(model, rows=499_999)

    @pytest.mark.parametrize("model", LOSES)
    def test_dense_layers_are_never_compiled_by_themselves(self, model: ModelSettings) -> None:
        assert not self.used(model, rows=10**9)

    @pytest.mark.parametrize("model", [*GAINS, *LOSES, PosteriorMfSettings()])
    def test_the_setting_decides_where_it_is_given(self, model: ModelSettings) -> None:
        assert self.used(model, rows=1, xla=True)
        assert not self.used(model, rows=10**9, xla=False)

    @pytest.mark.parametrize("xla", [True, False])
    def test_the_training_step_is_compiled_if_and_only_if_it_is_used(self, xla: bool) -> None:
        network = compiled(4, xla=xla)
        pairs = {"user": np.zeros(4, np.int32), "item": np.zeros(4, np.int32)}
        network.train_on_batch(pairs, np.zeros((4, 1), np.float32))
        made = getattr(network.train_step, "get_concrete_function", None)
        assert (made is not None) == xla
        if made is not None:
            step = made((pairs, np.zeros((4, 1), np.float32)))
            assert step.function_def.attr["_XlaMustCompile"].b

    def test_it_changes_the_weights_by_rounding_only_and_always_in_the_same_way(self) -> None:
        once, again, without = (fit(xla=xla, target="none", epochs=3).scorers()["main"] for xla in (True, True, False))
        for name, tensor in without.tensors().items():
            np.testing.assert_array_equal(once.tensors()[name], again.tensors()[name])
            np.testing.assert_allclose(once.tensors()[name], tensor, atol=1e-4)
        assert np.std(without.user) > 0.1


class TestStepsInACall:
    @pytest.mark.parametrize(
        ("batch_size", "steps"), [(1, 64), (1024, 64), (1025, 63), (8192, 8), (65_536, 1), (65_537, 1), (10**6, 1)]
    )
    def test_they_are_as_many_as_make_up_65536_rows_but_from_1_to_64(self, batch_size: int, steps: int) -> None:
        assert compiled(batch_size).steps_per_execution == steps

    def test_a_last_call_with_fewer_steps_leaves_no_row_out(self) -> None:
        # 300 batches of one row in calls of 64, with weights that do not move: the loss is that of each row once
        fitted = fit(batch_size=1, learning_rate=1e-12, epochs=1)
        assert fitted.history[0].loss == pytest.approx(error_on(ROWS, fitted), rel=1e-5)
        assert len(ROWS) % 64
