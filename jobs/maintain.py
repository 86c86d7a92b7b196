"""Remove what nobody needs any more, and put small files of Delta tables together."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_spark.command import main

if TYPE_CHECKING:
    from recsys_spark.job import Job


def run(job: Job) -> None:
    """Called with a session once the configuration is known to be sound."""
    from recsys_spark.maintenance.maintain import maintain

    maintain(job)


if __name__ == "__main__":
    sys.exit(main("maintain", run, Path(__file__).resolve().parent.parent))
