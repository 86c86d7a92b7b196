"""What Keras is asked to do beside fitting: stop early, keep checkpoints, write logs for TensorBoard."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from recsys_spark.errors import ConfigError
from recsys_spark.training.epochs import EpochClock
from recsys_spark.training.settings import TrainingSettings


def timekeeping(clock: EpochClock) -> Any:
    """The callback that lets a clock follow a fit."""
    import keras

    return keras.callbacks.LambdaCallback(
        on_epoch_begin=clock.epoch_begins, on_train_batch_end=clock.batch_ends, on_epoch_end=clock.epoch_ends
    )


def early_stopping(settings: TrainingSettings, loss: str) -> Any:
    """The callback that stops by the validation loss and takes the weights of the best epoch; none: all are run."""
    import keras

    if settings.early_stopping is None:
        return None
    return keras.callbacks.EarlyStopping(
        monitor=f"val_{loss}", mode="min", patience=settings.early_stopping, restore_best_weights=True
    )


def on_request(settings: TrainingSettings, fit: str) -> list[Any]:
    """The callbacks that the settings ask for.

    Args:
        settings: of the training.
        fit: name of the fit, which its checkpoints and logs bear.

    Raises:
        ConfigError: logs for TensorBoard are wanted where it is not installed.
    """
    import keras

    wanted = []
    if settings.checkpoints is not None:
        folder = Path(settings.checkpoints)
        folder.mkdir(parents=True, exist_ok=True)
        wanted.append(keras.callbacks.ModelCheckpoint(folder / f"{fit}-{{epoch:04d}}.keras"))
    if settings.tensorboard is not None:
        _require_tensorboard()
        wanted.append(keras.callbacks.TensorBoard(str(Path(settings.tensorboard) / fit), write_graph=False))
    return wanted


def _require_tensorboard() -> None:
    if importlib.util.find_spec("tensorboard") is None:
        raise ConfigError(
            "training.tensorboard",
            expected="the package tensorboard beside this one",
            found="none",
            hint="set up with RECSYS_EXTRAS=tensorboard, or leave this setting out",
        )
