"""What a report tells of a run: plain values, which Spark has added up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from recsys_spark.publishing.ledger import Entry
from recsys_spark.report.density import Density
from recsys_spark.report.histograms import Histogram, Scores

MODEL = "main"


class Figure(NamedTuple):
    """A row of the table `metrics`."""

    scorer: str
    split: str
    segment: str | None
    epoch: int | None
    metric: str
    k: int | None
    value: float
    low: float | None
    high: float | None
    relevant_at: float | None


class Figures:
    """The figures of a run, to be asked for one by one.

    Args:
        figures: in any order.
    """

    def __init__(self, figures: Iterable[Figure]) -> None:
        self.all = list(figures)
        self._finished = {(f.scorer, f.split, f.segment, f.metric, f.k): f for f in self.all if f.epoch is None}

    def get(
        self, scorer: str, metric: str, *, split: str = "test", k: int | None = None, segment: str | None = None
    ) -> Figure | None:
        """One figure of the finished model or of a baseline; none if it was not measured."""
        return self._finished.get((scorer, split, segment, metric, k))

    def scorers(self, metric: str, *, split: str = "test", k: int | None = None) -> list[Figure]:
        """A figure of all scorers that have it, the model's first."""
        found = [f for f in self._finished.values() if (f.split, f.segment, f.metric, f.k) == (split, None, metric, k)]
        return sorted(found, key=lambda f: f.scorer != MODEL)

    def cutoffs(self, metric: str) -> list[int]:
        """The cut-offs at which a metric of ranking was measured on the test part."""
        found = {f.k for f in self._finished.values() if f.metric == metric and f.split == "test" and f.k is not None}
        return sorted(found)

    def segments(self, of: str, metric: str, *, split: str = "test") -> list[Figure]:
        """The model's figures by segment, of the segments whose names begin so, as they were measured."""
        begins = f"{of}="
        return [
            f
            for f in self._finished.values()
            if f.scorer == MODEL and f.split == split and f.metric == metric and (f.segment or "").startswith(begins)
        ]

    def epochs(self, metric: str) -> dict[str, dict[int, float]]:
        """A figure of each epoch, by part."""
        found: dict[str, dict[int, float]] = {}
        for f in sorted(
            (f for f in self.all if f.epoch is not None and f.metric == metric), key=lambda f: f.epoch or 0
        ):
            found.setdefault(f.split, {})[f.epoch or 0] = f.value
        return found


class Quarantined(NamedTuple):
    """How many rows were not accepted for one reason."""

    reason: str
    kind: str
    rows: int


class Outcome(NamedTuple):
    """What became of how many users."""

    outcome: str
    reason: str
    users: int


class Exposure(NamedTuple):
    """An item, and how many lists it is in."""

    item: str
    title: str | None
    lists: int


@dataclass(frozen=True)
class Facts:
    """All that is told of a run but for its users and maps.

    `now_only` is whether ratings, items, users and quarantine are those of this run: these tables hold the last ingest.
    """

    entry: Entry
    summary: Mapping[str, Any]
    figures: Figures
    model: str
    settings: Mapping[str, Any]
    """Of the model, as its artefact tells: `model`, `training`, `split`."""

    now_only: bool
    quarantined: Sequence[Quarantined]
    ratings: Histogram | None
    items: Histogram | None
    users: Histogram | None
    densities: Sequence[Density]
    scores: Scores | None
    lengths: Histogram | None
    outcomes: Sequence[Outcome]
    exposure: Sequence[Exposure]
    before: Entry | None = None
    figures_before: Figures | None = None
    scores_before: Scores | None = None

    @property
    def counts(self) -> Mapping[str, int]:
        """Of the run, by name."""
        return self.entry.counts

    @property
    def ranks(self) -> bool:
        """Whether the model's scores are an order, and no ratings."""
        return bool(self.settings.get("training", {}).get("objective") == "ranking")
