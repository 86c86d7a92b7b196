"""Settings of the search of settings."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from recsys_spark.config import Section

Number = Annotated[int | float, Field(allow_inf_nan=False)]


class Range(Section):
    """Numbers from `low` to `high`, both included; whole ones where the setting takes whole numbers."""

    low: Number
    """The smallest."""

    high: Number
    """The largest."""

    log: bool = False
    """Whether the logarithm is drawn evenly, as suits learning rates and penalties."""

    step: Number | None = None
    """Only low, low + step, low + 2 step, ... are drawn."""

    @model_validator(mode="after")
    def _holds_numbers(self) -> Self:
        if self.low >= self.high:
            raise ValueError("low below high")
        if self.log and self.low <= 0:
            raise ValueError("low above 0 where log is true")
        if self.step is not None:
            if self.log:
                raise ValueError("log or step, not both")
            # in decimals as they were written: in binary 0.1 does not divide 0.3
            low, high, step = (Decimal(str(number)) for number in (self.low, self.high, self.step))
            if step <= 0 or (high - low) % step:
                raise ValueError("a step above 0 that divides high - low")
        return self


Choices = Annotated[tuple[Any, ...], Field(min_length=1)]


def _kind(value: Any) -> str | None:
    # the hyphens keep these names out of the keys that messages show
    if isinstance(value, list | tuple):
        return "one-of"
    return "a-range" if isinstance(value, dict | Range) else None


Searched = Annotated[
    Annotated[Choices, Tag("one-of")] | Annotated[Range, Tag("a-range")],
    Discriminator(
        _kind, custom_error_type="not_searched", custom_error_message="a list of choices, or low and high of a range"
    ),
]
"""What one setting may become: a list of choices, each a value of the setting, or a range of numbers."""


class TuneSettings(Section):
    """What the job `tune` tries."""

    space: dict[str, Searched] = {}
    """The settings searched, by their dotted key under `model.` or `training.`: a list of choices or a range. Where
    `model.name` is searched, a key that the model drawn does not have is left out of that trial."""

    trials: int = Field(20, ge=1)
    """In all, those of earlier jobs on the same inputs and settings included; a higher number continues the search."""

    sampler: Literal["random", "tpe"] = "tpe"
    """random: each trial by itself; tpe: near the best trials so far, after ten random ones."""

    pruner: Literal["none", "median", "hyperband"] = "median"
    """Which trials end early by their validation error after an epoch. median: those worse than half of the others
    were after as many epochs; hyperband: all but the best third at epochs 1, 3, 9, ..., from later ones on for some."""

    metric: Literal["mse", "mae", "ndcg"] | None = None
    """What is measured on the validation part and made small: an error in rating units, or for `training.objective`
    ranking what NDCG@10 lacks to 1. None: `ndcg` for ranking, else `mse`."""

    timeout: float | None = Field(None, gt=0)
    """Seconds after which a job begins no further trial; none: no limit."""

    seed: int = Field(42, ge=0)
    """Of the draws. That of the fits is `training.seed`."""
