"""Settings of the output, the audit and the run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recsys_spark.config import NotYet, Section


class OutputSettings(Section):
    """Where the tables go."""

    path: str = "output"
    """The folder of all tables; relative to where the job is started."""

    format: Literal["delta", "parquet"] = "delta"
    """delta: one table per folder; parquet: run folders behind an atomic pointer."""

    catalog: Annotated[str | None, NotYet()] = None
    """Publish as tables of this catalog and schema."""

    history: int = Field(7, ge=1)
    """Runs kept in `top_n_history` and `user_outcomes`."""


class Thresholds(Section):
    """Of one audit rule."""

    warn: float | None = None
    """From here on a warning."""

    error: float | None = None
    """From here on the run is not published."""


class RunSettings(Section):
    """How a run behaves."""

    force: bool = False
    """Run even if nothing changed (also `--replace`)."""


class ReportSettings(Section):
    """The HTML report."""

    enabled: Annotated[bool, NotYet()] = False
    """Whether the nightly job writes one."""
