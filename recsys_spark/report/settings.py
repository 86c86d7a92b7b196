"""Settings of the report."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recsys_spark.config import Section

Method = Literal["pca", "tsne", "umap"]


class MapSettings(Section):
    """Maps of the items: their vectors laid out on a plane."""

    methods: tuple[Method, ...] = ("tsne", "umap", "pca")
    """How. tsne and umap: neighbours stay together; pca: the two directions of largest variance."""

    perplexities: tuple[Annotated[float, Field(ge=2)], ...] = (30.0,)
    """Of tsne, a map each: about how many neighbours an item should have."""

    neighbours: int = Field(15, ge=2)
    """Of umap: how many neighbours an item should have."""

    vectors: Literal["both", "raw", "normalised"] = "both"
    """Whether vectors are laid out as they are, brought to length 1, or both ways, a map each."""

    max_items: int = Field(10_000, ge=10, le=100_000)
    """Items on a map. If the model knows more, so many are drawn, those with more ratings more often."""

    seed: int = Field(42, ge=0)
    """Of the draw and of the layouts."""


class ReportSettings(Section):
    """The HTML report of a run, `reports/<run_id>.html`."""

    enabled: bool = False
    """Whether `nightly` writes one once it has published."""

    users: int = Field(10, ge=0, le=100)
    """Example users, with what they have rated and what they get."""

    seed: int = Field(42, ge=0)
    """Which users are examples."""

    compared_ratings: int = Field(1_000_000, ge=1000)
    """Of how many ratings the prediction is compared with the rating; if there are more, about so many are drawn."""

    maps: MapSettings | None = MapSettings()
    """Maps of the items; null: none."""
