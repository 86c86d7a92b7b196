"""Make an earlier run, of those in `top_n_history`, the one that readers see."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_spark.command import start

if TYPE_CHECKING:
    from recsys_spark.job import Job


def run(job: Job) -> None:
    """Called with a session once the configuration is known to be sound."""
    from recsys_spark.following import follow
    from recsys_spark.rollback import roll_back

    roll_back(job, job.arguments["to"])
    follow(job)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which run."""
    parser.add_argument("--to", required=True, metavar="RUN", help="a run_id of the table top_n_history")


def main() -> None:
    """Run it with the arguments of the command line."""
    start("rollback", run, Path(__file__), own=arguments)


if __name__ == "__main__":
    main()
