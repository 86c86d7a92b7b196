"""One fit: repeatable, honest about what it measured, harmless for what it has not seen."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys_spark.errors import DataError
from recsys_spark.models.registry import model_for
from recsys_spark.models.settings import DotSettings, MlpSettings
from recsys_spark.models.sides import Sides
from recsys_spark.training.epochs import FitNews
from recsys_spark.training.feed import TrainingRows
from recsys_spark.training.fit import Trainer
from recsys_spark.training.fitted import Fitted
from recsys_spark.training.settings import TrainingSettings

N_USERS, N_ITEMS = 20, 25


def sides_of(rows: TrainingRows) -> Sides:
    return Sides(N_USERS, N_ITEMS)


def random_rows(n: int, seed: int) -> TrainingRows:
    """Ratings of 1 to 5: the second half of the users rates higher, and all else that can be learned is noise."""
    random = np.random.default_rng(seed)
    users = random.integers(0, N_USERS - 1, n).astype(np.int32)
    items = random.integers(0, N_ITEMS - 2, n).astype(np.int32)
    ratings = random.integers(1, 5, n) + (users >= N_USERS // 2)
    return TrainingRows(users, items, ratings.astype(np.float32), np.zeros(n, np.uint8))


ROWS, VALIDATION = random_rows(300, seed=1), random_rows(200, seed=2)


def trainer(*, l2: float = 0.0, rating_range: tuple[float, float] | None = None, **training: Any) -> Trainer:
    settings = TrainingSettings(**{"batch_size": 32, "learning_rate": 0.02, **training})
    return Trainer(model_for(DotSettings(embedding_size=8, l2=l2)), settings, sides_of, rating_range)


def error_on(rows: TrainingRows, fitted: Fitted) -> float:
    return float(np.mean((fitted.predict(rows.user, rows.item) - rows.rating) ** 2))


def fingerprint() -> str:
    """Of the weights of a network with everything that draws random numbers."""
    settings = TrainingSettings(batch_size=32, epochs=2)
    model = model_for(MlpSettings(embedding_size=8, layers=(16,), dropout=0.2))
    fitted = Trainer(model, settings, sides_of).fit("evaluated", ROWS, epochs=2)
    return hashlib.sha256(b"".join(weights.tobytes() for weights in fitted.network.get_weights())).hexdigest()


class TestRepeatability:
    def test_two_processes_fit_the_same_weights_to_the_bit(self) -> None:
        root = Path(__file__).parents[2]
        command = [sys.executable, "-c", "from tests.training.test_fit import fingerprint; print(fingerprint())"]
        pipe = subprocess.PIPE
        processes = [subprocess.Popen(command, cwd=root, stdout=pipe, stderr=pipe, text=True) for _ in range(2)]
        (first, errors), (second, _) = (process.communicate() for process in processes)
        assert len(first.strip()) == 64, errors
        assert first == second

    def test_a_seed_of_any_sign_and_size_is_taken(self) -> None:
        assert trainer(seed=-(2**40)).fit("evaluated", ROWS, epochs=1).history[0].loss > 0


class TestEarlyStopping:
    @pytest.fixture(scope="class")
    @classmethod
    def stopped(cls) -> Fitted:
        return trainer(early_stopping=2).fit("validated", ROWS, epochs=40, validation=VALIDATION)

    def test_it_takes_the_epoch_of_the_best_validation_loss(self, stopped: Fitted) -> None:
        losses = np.array([result.val_loss for result in stopped.history])
        assert 1 < stopped.epochs == 1 + losses.argmin()

    def test_it_stops_when_there_was_no_better_loss_for_so_many_epochs(self, stopped: Fitted) -> None:
        assert len(stopped.history) == stopped.epochs + 2 < 40

    def test_the_weights_are_those_of_the_best_epoch(self, stopped: Fitted) -> None:
        assert error_on(VALIDATION, stopped) == pytest.approx(stopped.history[stopped.epochs - 1].val_loss, rel=1e-5)

    def test_without_it_all_epochs_are_run_and_still_measured(self) -> None:
        fitted = trainer(early_stopping=None).fit("validated", ROWS, epochs=6, validation=VALIDATION)
        assert (fitted.epochs, [result.epoch for result in fitted.history]) == (6, [1, 2, 3, 4, 5, 6])
        assert error_on(VALIDATION, fitted) == pytest.approx(fitted.history[-1].val_loss, rel=1e-5)


class TestWhatIsNeverSeen:
    def test_an_id_without_a_rating_scores_the_mean_and_the_other_sides_bias(self) -> None:
        fitted = trainer().fit("evaluated", ROWS, epochs=3)
        unseen_user, unseen_item = np.array([N_USERS - 1], np.int32), np.array([N_ITEMS - 1], np.int32)
        scorer = fitted.scorers()["main"]
        assert scorer.item_bias is not None
        assert scorer.score(unseen_user, unseen_item)[0] == pytest.approx(ROWS.rating.mean(), rel=1e-6)
        assert scorer.score(unseen_user, ROWS.item[:1])[0] == pytest.approx(
            ROWS.rating.mean() + scorer.item_bias[ROWS.item[0]], rel=1e-6
        )

    def test_the_target_is_scaled_by_the_fitted_rows_alone(self) -> None:
        fitted = trainer(target="standardised").fit("validated", ROWS, epochs=1, validation=VALIDATION)
        assert fitted.target.offset == pytest.approx(ROWS.rating.mean(), rel=1e-6)
        assert fitted.target.scale == pytest.approx(ROWS.rating.std(), rel=1e-6)


class TestWhatIsReported:
    def test_losses_hold_no_penalty(self) -> None:
        fitted = trainer(l2=0.5, early_stopping=None).fit("validated", ROWS, epochs=1, validation=VALIDATION)
        assert fitted.history[0].val_loss == pytest.approx(error_on(VALIDATION, fitted), rel=1e-5)
        assert fitted.history[0].loss == pytest.approx(ROWS.rating.var(), rel=0.05)

    def test_the_mean_absolute_error_is_a_loss_too(self) -> None:
        settings: dict[str, Any] = {"loss": "mae", "optimizer": "sgd", "momentum": 0.5, "early_stopping": None}
        fitted = trainer(**settings).fit("validated", ROWS, epochs=1, validation=VALIDATION)
        error = np.mean(np.abs(fitted.predict(VALIDATION.user, VALIDATION.item) - VALIDATION.rating))
        assert fitted.history[0].val_loss == pytest.approx(error, rel=1e-5)

    def test_a_watcher_hears_of_each_epoch_and_of_the_end_and_stdout_stays_empty(
        self, capfd: pytest.CaptureFixture[str]
    ) -> None:
        heard: list[FitNews] = []
        shared = trainer()
        Trainer(shared.model, shared.settings, sides_of, watcher=heard.append).fit("published", ROWS, epochs=2)
        milestones = [(news.fit, news.epoch, news.what) for news in heard if news.what != "running"]
        assert milestones == [("published", 1, "epoch"), ("published", 2, "epoch"), ("published", 2, "fit")]
        assert capfd.readouterr().out == ""

    def test_a_loss_that_is_not_finite_ends_the_fit_with_a_hint(self) -> None:
        heard: list[FitNews] = []
        shared = trainer(optimizer="sgd", learning_rate=1e6)
        diverging = Trainer(shared.model, shared.settings, sides_of, watcher=heard.append)
        with pytest.raises(DataError, match=r"expected a finite loss(.|\n)*smaller training.learning_rate"):
            diverging.fit("evaluated", ROWS, epochs=50)
        assert heard[-1].what == "fit"


class TestClip:
    PAIRS = (ROWS.user, ROWS.item)

    @pytest.mark.parametrize(
        ("clip", "rating_range", "expected"),
        [(False, (0.0, 9.0), None), (True, (0.0, 9.0), (0.0, 9.0)), (True, None, (1.0, 5.0))],
    )
    def test_it_is_the_range_that_is_known_else_that_of_the_ratings(
        self, clip: bool, rating_range: tuple[float, float] | None, expected: tuple[float, float] | None
    ) -> None:
        fitted = trainer(clip=clip, rating_range=rating_range).fit("published", ROWS, epochs=1)
        assert fitted.scorers()["main"].clip == expected

    def test_it_changes_what_is_published_and_never_the_score(self) -> None:
        loose, clipped = (
            trainer(clip=clip, rating_range=(2.5, 3.5), learning_rate=0.1)
            .fit("published", ROWS, epochs=5)
            .scorers()["main"]
            for clip in (False, True)
        )
        scores = clipped.score(*self.PAIRS)
        np.testing.assert_array_equal(scores, loose.score(*self.PAIRS))
        assert scores.min() < 2.5
        assert scores.max() > 3.5
        np.testing.assert_array_equal(clipped.published(scores), np.clip(scores, 2.5, 3.5))


def test_a_network_is_handed_over_without_its_optimizer() -> None:
    fitted = trainer().fit("published", ROWS, epochs=1)
    assert not fitted.network.compiled


def test_no_rows_are_refused_with_a_hint_at_the_split() -> None:
    with pytest.raises(DataError, match=r"at least one rating to fit, found none(.|\n)*split\.test_fraction"):
        trainer().fit("evaluated", random_rows(0, seed=1), epochs=1)


def test_an_index_beyond_the_number_of_items_is_refused() -> None:
    rows = TrainingRows(ROWS.user, ROWS.item + np.int32(10), ROWS.rating, ROWS.part)
    with pytest.raises(DataError, match=r"column item: expected indices from 0 to 24, found 10 to 32"):
        trainer().fit("evaluated", rows, epochs=1)
