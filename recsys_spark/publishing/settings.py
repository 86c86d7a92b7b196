"""Settings of the output, the audit and the run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

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
    """Run every stage even if nothing changed (also `--replace`)."""

    lease_seconds: float = Field(300, ge=20)
    """How long a run on another host may be silent before it is taken for dead, and its output taken over."""

    log_format: Literal["text", "json"] = "text"
    """Of the lines on stderr. json: objects of time, run_id, job, stage, event, seconds since the start, message."""

    prometheus: str | None = None
    """A local file `*.prom` in the folder that node_exporter's textfile collector reads; replaced when a job ends."""

    shown: int = Field(20, ge=1)
    """How many of the newest runs the job `runs` shows."""

    @field_validator("prometheus")
    @classmethod
    def _is_collected(cls, path: str | None) -> str | None:
        if path is not None and not path.endswith(".prom"):
            raise ValueError("a path that ends in .prom, as node_exporter reads no other")
        return path


class ReportSettings(Section):
    """The HTML report."""

    enabled: Annotated[bool, NotYet()] = False
    """Whether the nightly job writes one."""
