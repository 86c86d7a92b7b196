"""Erase users: out of every table, file and model under the output, and keep them out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recsys_spark.command import start
from recsys_spark.forgetting.request import declare

if TYPE_CHECKING:
    from recsys_spark.job import Job


def run(job: Job) -> None:
    """Called with a session once the configuration is known to be sound."""
    from recsys_spark.following import follow
    from recsys_spark.forgetting.erasure import forget

    forget(job)
    follow(job, anew=True)


def main() -> None:
    """Run it with the arguments of the command line."""
    start("forget", run, Path(__file__), own=declare)


if __name__ == "__main__":
    main()
