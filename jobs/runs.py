"""Show what became of the last runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recsys_spark.command import start

if TYPE_CHECKING:
    from recsys_spark.job import Job


def run(job: Job) -> None:
    """Called with a session once the configuration is known to be sound."""
    from recsys_spark.past_runs import show_runs

    show_runs(job)


def main() -> None:
    """Run it with the arguments of the command line."""
    start("runs", run, Path(__file__))


if __name__ == "__main__":
    main()
