"""What is known of a fit while it runs, and after each of its epochs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from recsys_spark.errors import DataError

_SECONDS_BETWEEN_NEWS = 0.2


class EpochResult(NamedTuple):
    """One epoch of one fit. Losses are in units of the target, without penalties."""

    fit: str
    """validated, evaluated or published."""

    epoch: int
    """From 1."""

    loss: float
    """Mean over the epoch, while the weights were changing."""

    val_loss: float | None
    """On the validation rows after the epoch; none: there were none."""

    rows_per_second: float
    """While training, validation left out."""

    val_mse: float | None = None
    """Mean squared error on the validation rows after the epoch, in rating units."""

    val_mae: float | None = None
    """Mean absolute error, likewise."""

    learning_rate: float | None = None
    """At the end of the epoch."""

    val_ndcg: float | None = None
    """NDCG@10 on the validation rows after the epoch, of a ranking model."""


@dataclass(frozen=True)
class FitNews:
    """Where a fit stands.

    Args:
        fit: validated, evaluated or published.
        epoch: from 1.
        epochs: at most.
        rows: seen in this epoch.
        rows_in_epoch: all rows of the fit.
        rows_per_second: in this epoch.
        seconds_left: of this fit, if it runs all its epochs.
        loss: mean over this epoch so far.
        val_loss: after the epoch, where there are validation rows.
        val_mse: likewise, in rating units.
        val_mae: likewise, in rating units.
        val_ndcg: likewise, NDCG@10 of a ranking model.
        what: running; epoch: the epoch is over; fit: the fit is over.
    """

    fit: str
    epoch: int
    epochs: int
    rows: int
    rows_in_epoch: int
    rows_per_second: float
    seconds_left: float
    loss: float
    val_loss: float | None
    what: Literal["running", "epoch", "fit"]
    val_mse: float | None = None
    val_mae: float | None = None
    val_ndcg: float | None = None


Watcher = Callable[[FitNews], None]
"""Told where a fit stands, a few times a second at most."""


def nobody(news: FitNews) -> None:
    """A watcher that looks away."""


class _Measured(NamedTuple):
    """What Keras tells of an epoch, so far or after it."""

    loss: float
    val_loss: float | None = None
    val_mse: float | None = None
    val_mae: float | None = None
    val_ndcg: float | None = None


class EpochClock:
    """Follows one fit through Keras' callbacks: keeps its history and tells a watcher.

    Args:
        fit: name of the fit.
        epochs: at most.
        rows: in an epoch.
        batch_size: rows in a batch.
        loss: the name under which Keras reports the loss without penalties.
        scale: rating units in a unit of the target.
        watcher: told where the fit stands.
    """

    def __init__(
        self, fit: str, *, epochs: int, rows: int, batch_size: int, loss: str, scale: float, watcher: Watcher
    ) -> None:
        self.history: list[EpochResult] = []
        self.learning_rate: Callable[[], float | None] = lambda: None
        self._fit, self._epochs, self._n, self._batch_size = fit, epochs, rows, batch_size
        self.loss, self._scale, self._watcher = loss, scale, watcher
        self._begun = self._trained = self._told = time.monotonic()
        self._news: FitNews | None = None

    def epoch_begins(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Keras' on_epoch_begin."""
        self._begun = time.monotonic()

    def batch_ends(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Keras' on_train_batch_end; with several steps in one execution, `batch` is the last of them or beyond."""
        self._trained = time.monotonic()
        if self._trained - self._told >= _SECONDS_BETWEEN_NEWS:
            rows = min(self._n, (batch + 1) * self._batch_size)
            self._tell("running", len(self.history), rows, _Measured(float((logs or {})[self.loss])))

    def epoch_ends(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Keras' on_epoch_end.

        Raises:
            DataError: the loss is not finite any more.
        """
        logs = logs or {}
        measured = self._measured(logs)
        self._tell("epoch", epoch, self._n, measured)
        speed, rate = self._rows_per_second(self._n), self.learning_rate()
        result = EpochResult(
            fit=self._fit, epoch=epoch + 1, rows_per_second=speed, learning_rate=rate, **measured._asdict()
        )
        self.history.append(result)
        if not all(math.isfinite(value) for value in (result.loss, result.val_loss) if value is not None):
            raise DataError(
                f"training ({self._fit})",
                expected="a finite loss",
                found=f"{result.loss} in epoch {epoch + 1}",
                hint="set a smaller training.learning_rate, or training.target=standardised; for posterior_mf "
                "a smaller model.step, or a training.batch_size of all rows",
            )

    def fit_ends(self) -> None:
        """Tell that nothing more will come, also where the fit broke off."""
        if self._news is not None:
            self._watcher(replace(self._news, what="fit", seconds_left=0.0))

    def _measured(self, logs: Mapping[str, float]) -> _Measured:
        mse, mae = logs.get("val_mse"), logs.get("val_mae")
        return _Measured(
            loss=float(logs[self.loss]),
            val_loss=logs.get(f"val_{self.loss}"),
            val_mse=None if mse is None else mse * self._scale**2,
            val_mae=None if mae is None else mae * self._scale,
            val_ndcg=logs.get("val_ndcg"),
        )

    def _tell(self, what: Literal["running", "epoch"], epoch: int, rows: int, measured: _Measured) -> None:
        speed = self._rows_per_second(rows)
        self._news = FitNews(
            fit=self._fit,
            epoch=epoch + 1,
            epochs=self._epochs,
            rows=rows,
            rows_in_epoch=self._n,
            rows_per_second=speed,
            seconds_left=((self._epochs - epoch) * self._n - rows) / speed,
            what=what,
            **measured._asdict(),
        )
        self._told = time.monotonic()
        self._watcher(self._news)

    def _rows_per_second(self, rows: int) -> float:
        return rows / max(self._trained - self._begun, 1e-9)
