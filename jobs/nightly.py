"""The whole flow of one night: from the source to published top-N tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recsys_spark.command import start

if TYPE_CHECKING:
    from recsys_spark.job import Job


def run(job: Job) -> None:
    """Called with a session once the configuration is known to be sound."""
    from recsys_spark import stages

    stages.nightly(job)


def main() -> None:
    """Run it with the arguments of the command line."""
    start("nightly", run, Path(__file__))


if __name__ == "__main__":
    main()
