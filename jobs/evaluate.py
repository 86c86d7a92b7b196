"""Measure what the job `train` left, beside the baselines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recsys_spark.command import start

if TYPE_CHECKING:
    from recsys_spark.job import Job


def run(job: Job) -> None:
    """Called with a session once the configuration is known to be sound."""
    from recsys_spark import stages

    stages.evaluate(job)


def main() -> None:
    """Run it with the arguments of the command line."""
    start("evaluate", run, Path(__file__))


if __name__ == "__main__":
    main()
