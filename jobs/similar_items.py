"""Find the most similar items of every item by the model of the lists that readers see, audit and publish."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recsys_spark.command import start

if TYPE_CHECKING:
    from recsys_spark.job import Job


def run(job: Job) -> None:
    """Called with a session once the configuration is known to be sound."""
    from recsys_spark.similar_items import similar_items

    similar_items(job)


def main() -> None:
    """Run it with the arguments of the command line."""
    start("similar_items", run, Path(__file__))


if __name__ == "__main__":
    main()
