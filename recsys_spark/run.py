"""One attempt at one night: who it is, and where it keeps its things."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from recsys_spark import __version__
from recsys_spark.storage import Folder

STAGES = ("ingest", "train", "evaluate", "score", "publish")
"""Those of a night, in their order. All but the last keep what they have made."""


@dataclass(frozen=True)
class Run:
    """An attempt. `as_of` is the business date; `run_id` is unique to the attempt and sorts by time."""

    output: Folder
    as_of: date
    started_at: datetime
    run_id: str
    warnings: list[str] = field(default_factory=list)
    """What a reader of the summary should know; filled on the way."""

    @classmethod
    def start(cls, output: Folder, as_of: date | None = None) -> Run:
        """A new attempt, now; for today (UTC) if no date is given."""
        now = datetime.now(UTC)
        return cls(output, as_of or now.date(), now, f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}")

    @property
    def state(self) -> Folder:
        """What outlives runs: the vocabularies."""
        return self.output / "state"

    @property
    def locks(self) -> Folder:
        """Who holds the output."""
        return self.state / "lock"

    @property
    def models(self) -> Folder:
        """The artefacts, one folder each."""
        return self.output / "models"

    @property
    def summaries(self) -> Folder:
        """One JSON file for each run."""
        return self.output / "summaries"

    @property
    def reports(self) -> Folder:
        """The HTML page of each run that has a report."""
        return self.output / "reports"

    @property
    def evaluations(self) -> Folder:
        """One JSON file for each run that measured how its model ranks: what runs are compared by."""
        return self.output / "evaluations"

    def work(self, stage: str, key: str) -> Folder:
        """The private folder of a stage, addressed by the hash of its inputs."""
        return self.output / "_work" / f"{stage}-{key}"

    def warn(self, text: str) -> None:
        """Add a warning to the summary, once."""
        if text not in self.warnings:
            self.warnings.append(text)


def end_of(day: date) -> datetime:
    """The first moment after a day, UTC: where the periods of a run end that are counted in days."""
    return datetime.combine(day + timedelta(days=1), time(), UTC)


def input_key(*inputs: Any) -> str:
    """A hash of a stage's inputs and of this version of the code (16 hex digits)."""
    text = json.dumps([__version__, *inputs], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
