"""Settings of the training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recsys_spark.config import NotYet, Section


class TrainingSettings(Section):
    """How a model is fitted."""

    objective: Annotated[Literal["rating", "ranking"], NotYet(("ranking",))] = "rating"
    """rating: predict what a user would rate; ranking: what a user wants next."""

    epochs: int = Field(20, ge=1)
    """Passes over the training rows; with early stopping, at most."""

    batch_size: int = Field(1024, ge=1)
    """Ratings in a step."""

    optimizer: Literal["adam", "sgd"] = "adam"
    """adam; sgd: with `momentum`."""

    learning_rate: float = Field(0.005, gt=0)
    """Of the optimizer."""

    momentum: float = Field(0.0, ge=0, lt=1)
    """Of sgd."""

    loss: Literal["mse", "mae"] = "mse"
    """Mean squared or mean absolute error, in units of the target."""

    target: Literal["none", "centred", "standardised"] = "centred"
    """What the network learns: the rating; minus its mean; also divided by its standard deviation."""

    early_stopping: int | None = Field(2, ge=1)
    """Epochs without a better validation loss before training stops; none: all epochs are run."""

    refit: bool = True
    """Whether the published model is fitted once more on everything, the test part too."""

    clip: bool = False
    """Whether published scores and rating metrics are clipped to the range of the training ratings."""

    warm_start: Annotated[bool, NotYet()] = False
    """Start from the last evaluated weights of the same split."""

    event_weights: Annotated[dict[str, float] | None, NotYet()] = None
    """What an event of each kind counts, for implicit feedback."""

    use_model: Annotated[str | None, NotYet()] = None
    """Score with this stored model_id, without training."""

    seed: int = 42
    """Of initial weights, order of rows and dropout."""
