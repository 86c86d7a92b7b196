"""Settings of the evaluation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recsys_spark.config import Section


class AlsSettings(Section):
    """The baseline `als`; the defaults are pyspark's own."""

    rank: int = Field(10, ge=1)
    """Factors of each user and item."""

    regularisation: float = Field(0.1, ge=0)
    """Weight of the squared factors, times the number of the user's or item's ratings."""

    iterations: int = Field(10, ge=1)
    """Times that each side is solved for."""


class ImplicitAlsSettings(Section):
    """The baseline `als_implicit`, for ranking."""

    rank: int = Field(64, ge=1)
    """Factors of each user and item."""

    regularisation: float = Field(0.1, ge=0)
    """Weight of the squared factors, times the number of the user's or item's liked items."""

    alpha: float = Field(10.0, gt=0)
    """Confidence in a liked item, above that of 1 in any other."""

    iterations: int = Field(10, ge=1)
    """Times that each side is solved for; some dozens need a larger stack, `-Xss`, of driver and executors."""


class EaseSettings(Section):
    """The baseline `ease`, for ranking."""

    l2: float = Field(500.0, gt=0)
    """Weight of the squared weights."""


class ItemKnnSettings(Section):
    """The baseline `item_knn`, for ranking."""

    neighbours: int = Field(200, ge=1)
    """Of each item, that count."""

    shrinkage: float = Field(10.0, ge=0)
    """Added to the denominator of a similarity, so that few common users say little."""


class EvaluationSettings(Section):
    """What is measured."""

    baseline_damping: float = Field(10.0, ge=0)
    """Ratings at the mean that are added to each user's and item's own in the baselines' damped means."""

    protocol: Literal["full", "sampled_negatives"] = "full"
    """Which candidates are ranked. full: all; sampled_negatives: all, and for comparison with papers the relevant items
    among `negatives` drawn ones, under names of their own (`ndcg_sampled@10`)."""

    negatives: int = Field(100, ge=1)
    """Items drawn for each user under `sampled_negatives`."""

    half_life_days: float | None = Field(None, gt=0)
    """Days after which a held-out rating counts half as much as the newest one of its part, in further figures of their
    own names: `mse_recent`, `ndcg_recent@10`, to which a user counts what the user's relevant ratings do on average.
    Ratings without a time count as the oldest one. None: no such figures."""

    relevant_at: float | None = None
    """The lowest rating of a relevant item; none: the mean of the ratings that the measured fit has seen."""

    k: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = (10,)
    """Cut-offs of ranking metrics; none at all: ranking is not measured."""

    segments: tuple[str, ...] = ()
    """Columns of the users' table (`users.columns`) by whose values ranking is measured, too."""

    baselines: tuple[Literal["als", "als_implicit", "ease", "item_knn"], ...] = ()
    """Baselines beside `mean`, `item_mean`, `bias` and `popularity`, on the rows of the evaluated model. als: pyspark's
    ALS, for errors and ranking; for ranking alone, on relevant rows, als_implicit: the same for implicit feedback,
    ease, item_knn: up to some thousand items."""

    als: AlsSettings = AlsSettings()
    """The baseline `als`."""

    als_implicit: ImplicitAlsSettings = ImplicitAlsSettings()
    """The baseline `als_implicit`."""

    ease: EaseSettings = EaseSettings()
    """The baseline `ease`."""

    item_knn: ItemKnnSettings = ItemKnnSettings()
    """The baseline `item_knn`."""

    bootstrap: int = Field(200, ge=0, le=2000)
    """Resamples of users for the 95 % intervals of overall errors; 0: no intervals."""

    seed: int = 42
    """Of the groups of users, the resamples and drawn items, and of the first factors of `als`."""
