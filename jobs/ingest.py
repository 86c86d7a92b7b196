"""Validate, encode and split the ratings of one night."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recsys_spark.command import start

if TYPE_CHECKING:
    from recsys_spark.job import Job


def run(job: Job) -> None:
    """Called with a session once the configuration is known to be sound."""
    from recsys_spark import stages

    stages.ingest(job)


def main() -> None:
    """Run it with the arguments of the command line."""
    start("ingest", run, Path(__file__))


if __name__ == "__main__":
    main()
