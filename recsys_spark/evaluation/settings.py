"""Settings of the evaluation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recsys_spark.config import NotYet, Section


class EvaluationSettings(Section):
    """What is measured."""

    baseline_damping: float = Field(10.0, ge=0)
    """Ratings at the mean that are added to each user's and item's own in the baselines' damped means."""

    protocol: Annotated[Literal["full", "sampled_negatives"], NotYet(("sampled_negatives",))] = "full"
    """Which candidates are ranked."""

    relevant_at: Annotated[float | None, NotYet()] = None
    """The rating from which an item counts as relevant."""

    k: Annotated[tuple[int, ...], NotYet()] = (10,)
    """Cut-offs of ranking metrics."""

    baselines: Annotated[tuple[str, ...], NotYet()] = ()
    """Baselines beside `mean`, `item_mean`, `bias` and `popularity`."""

    bootstrap: Annotated[int, NotYet()] = 0
    """Resamples for intervals; 0: none."""
