"""Write the report of a run: one HTML file, and the table of the items' maps."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_spark.command import start

if TYPE_CHECKING:
    from recsys_spark.job import Job


def run(job: Job) -> None:
    """Called with a session once the configuration is known to be sound."""
    from recsys_spark.reporting import report

    report(job)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which run."""
    parser.add_argument("--run", metavar="RUN", help="a run_id; default: the run that readers see")


def main() -> None:
    """Run it with the arguments of the command line."""
    start("report", run, Path(__file__), own=arguments)


if __name__ == "__main__":
    main()
