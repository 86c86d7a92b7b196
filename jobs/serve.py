"""Load the lists that readers see into the database that applications read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recsys_spark.command import start

if TYPE_CHECKING:
    from recsys_spark.job import Job


def run(job: Job) -> None:
    """Called with a session once the configuration is known to be sound."""
    from recsys_spark.serving import serve

    serve(job)


def main() -> None:
    """Run it with the arguments of the command line."""
    start("serve", run, Path(__file__))


if __name__ == "__main__":
    main()
