"""What Keras is asked to do beside fitting: stop early, save each epoch's network, write logs for TensorBoard."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from recsys_spark.errors import ConfigError
from recsys_spark.training.epochs import EpochClock
from recsys_spark.training.feed import EpochOrder
from recsys_spark.training.settings import TrainingSettings

if TYPE_CHECKING:
    import keras


def timekeeping(clock: EpochClock, order: EpochOrder | None = None) -> Any:
    """The callback that lets a clock, and the order of the rows, follow a fit."""
    import keras

    def begin(epoch: int, logs: Any) -> None:
        if order is not None:
            order.begin(epoch)
        clock.epoch_begins(epoch, logs)

    return keras.callbacks.LambdaCallback(
        on_epoch_begin=begin, on_train_batch_end=clock.batch_ends, on_epoch_end=clock.epoch_ends
    )


def early_stopping(settings: TrainingSettings, figure: str, *, mode: Literal["min", "max"] = "min") -> Any:
    """The callback that stops by a figure of the validation part and takes the weights of the best epoch.

    Args:
        settings: of the training; without `early_stopping` all epochs are run, and there is no callback.
        figure: its name among Keras' logs.
        mode: whether less or more of it is better.
    """
    import keras

    if settings.early_stopping is None:
        return None
    return keras.callbacks.EarlyStopping(
        monitor=figure, mode=mode, patience=settings.early_stopping, restore_best_weights=True
    )


def on_request(settings: TrainingSettings, fit: str, network: keras.Model) -> list[Any]:
    """The callbacks that the settings ask for.

    Args:
        settings: of the training.
        fit: name of the fit, which its checkpoints and logs bear.
        network: that is fitted.

    Raises:
        ConfigError: logs for TensorBoard are wanted where it is not installed.
    """
    import keras

    wanted: list[Any] = []
    if settings.checkpoints is not None:
        wanted.append(_checkpoints(Path(settings.checkpoints), fit, network))
    if settings.tensorboard is not None:
        _require_tensorboard()
        wanted.append(keras.callbacks.TensorBoard(str(Path(settings.tensorboard) / fit), write_graph=False))
    return wanted


def _checkpoints(folder: Path, fit: str, network: keras.Model) -> Any:
    import keras

    folder.mkdir(parents=True, exist_ok=True)
    # not compiled: a sampler or a metric of this package would keep Keras from opening the file
    bare = type(network).from_config(network.get_config())

    def save(epoch: int, logs: Any) -> None:
        bare.set_weights(network.get_weights())
        bare.save(folder / f"{fit}-{epoch + 1:04d}.keras")

    return keras.callbacks.LambdaCallback(on_epoch_end=save)


def _require_tensorboard() -> None:
    if importlib.util.find_spec("tensorboard") is None:
        raise ConfigError(
            "training.tensorboard",
            expected="the package tensorboard beside this one",
            found="none",
            hint="set up with RECSYS_EXTRAS=tensorboard, or leave this setting out",
        )
