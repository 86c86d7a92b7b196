"""Compare how two runs rank, by the users that both were measured on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_spark.command import start

if TYPE_CHECKING:
    from recsys_spark.job import Job


def run(job: Job) -> None:
    """Called with a session once the configuration is known to be sound."""
    from recsys_spark.comparing import compare

    compare(job)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which runs, and whose lists."""
    parser.add_argument("--run", required=True, metavar="RUN", help="a run_id")
    parser.add_argument("--with", dest="with_run", required=True, metavar="RUN", help="the run_id to compare it with")
    parser.add_argument("--with-output", metavar="PATH", help="the output of the second run; default: output.path")
    for option, which in (("--scorer", "first"), ("--with-scorer", "second")):
        parser.add_argument(option, default="main", help=f"of the {which} run: main (the default), or a baseline")


def main() -> None:
    """Run it with the arguments of the command line."""
    start("compare", run, Path(__file__), own=arguments)


if __name__ == "__main__":
    main()
