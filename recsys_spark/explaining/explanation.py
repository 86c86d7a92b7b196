"""An explanation as plain values: what adds up to a score, and what it would be if something were not known."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from recsys_spark.models.sides import Side


@dataclass(frozen=True)
class DotParts:
    """The parts of the published score of a dot product; they add up to it within float32's rounding."""

    offset: float
    """What every score has: of models of ratings the mean that they were centred by."""

    user_effect: float
    """The user's bias; 0 where the model has none."""

    item_effect: float
    """The item's bias; likewise."""

    interaction: float
    """The dot product of both vectors."""

    clipping: float
    """What the bounds of published scores add: 0 within them."""

    @property
    def total(self) -> float:
        """The published score."""
        return self.offset + self.user_effect + self.item_effect + self.interaction + self.clipping


@dataclass(frozen=True)
class Neighbour:
    """An item of the user's history that is like the explained one."""

    item: int
    rating: float
    cosine: float
    """Of the model's vectors of both items."""


@dataclass(frozen=True)
class Share:
    """What one item of the history has to do with the score."""

    item: int
    rating: float
    change: float


@dataclass(frozen=True)
class HistoryParts:
    """The score that a vector made of the history gives, by the items of the history."""

    kind: Literal["sum", "left_out"]
    """sum: base and shares add up to `score`. left_out: a share is `score` minus what it would be if the user had not
    rated this item; these do not add up to it."""

    base: float
    """The score without any history: offset and the item's effect."""

    shares: tuple[Share, ...]
    """The largest change first, whatever its sign; items of which the model makes nothing are left out."""

    score: float
    """Unclipped. A trained vector is nearly, and not quite, the one that is made of the history."""


@dataclass(frozen=True)
class Ablation:
    """What one group of columns has to do with a score: the score minus what it would be with their mean."""

    side: Side
    columns: str
    """`embedding`, or the name of a feature."""

    change: float


@dataclass(frozen=True)
class Level:
    """A rating level of a classifier."""

    level: float
    probability: float


@dataclass(frozen=True)
class Explanation:
    """What the score of one pair is made of. What a kind of model does not have is none or empty."""

    score: float
    """As it is published."""

    unclipped: float
    """What lists are ordered by."""

    parts: DotParts | None = None
    """Of dot products."""

    nearest: tuple[Neighbour, ...] = ()
    """Of dot products: the items of the history that are most like the explained one, the most similar first."""

    history: HistoryParts | None = None
    """Of models that make a user's vector of a history."""

    ablations: tuple[Ablation, ...] = ()
    """Of models with dense layers, the largest change first. They do not add up: layers are no sum."""

    levels: tuple[Level, ...] = ()
    """Of classifiers, in the order of the model."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)
