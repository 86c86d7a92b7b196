"""Settings of the job `maintain`."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from recsys_spark.config import Section

SAFE_HOURS = 168.0
"""Delta's own limit: a reader that has opened a version of a table may go on reading its files for that long."""


class MaintenanceSettings(Section):
    """What the job `maintain` leaves."""

    vacuum_hours: float = Field(SAFE_HOURS, ge=0)
    """Files that a Delta table no longer needs stay for so long, for readers of its older versions."""

    allow_short_retention: bool = False
    """Confirms that `vacuum_hours` may be below 168: that nobody reads an older version now."""

    grace_hours: float = Field(24, ge=0)
    """Nothing else that was written to in the last so many hours is removed."""

    stages: int = Field(2, ge=0)
    """Finished folders kept of each stage in `_work/`, the newest, and those of the visible run; unfinished ones go."""

    models: int = Field(7, ge=1)
    """Artefacts kept, the newest, and those that a published list, a kept stage or `training.use_model` names."""

    summaries: int = Field(400, ge=0)
    """Files kept in each of `summaries/`, `evaluations/` and `reports/`, the newest, and those of the runs in
    `top_n_history`."""

    files_in_partition: int = Field(8, ge=1)
    """A Delta table that grows file by file is compacted when one of its partitions has more small files than this."""

    @model_validator(mode="after")
    def _spares_readers(self) -> Self:
        if self.vacuum_hours < SAFE_HOURS and not self.allow_short_retention:
            raise ValueError(
                f"vacuum_hours of at least {SAFE_HOURS:.0f}, or with it allow_short_retention: true, which says that "
                "nobody reads an older version of a table now"
            )
        return self
