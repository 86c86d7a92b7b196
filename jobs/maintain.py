"""Remove what nobody needs any more, and put small files of Delta tables together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recsys_spark.command import start

if TYPE_CHECKING:
    from recsys_spark.job import Job


def run(job: Job) -> None:
    """Called with a session once the configuration is known to be sound."""
    from recsys_spark.following import name_tables_if_wanted
    from recsys_spark.maintenance.maintain import maintain

    maintain(job)
    # a catalog lists the runs of Parquet tables, some of which are gone now
    name_tables_if_wanted(job)


def main() -> None:
    """Run it with the arguments of the command line."""
    start("maintain", run, Path(__file__))


if __name__ == "__main__":
    main()
