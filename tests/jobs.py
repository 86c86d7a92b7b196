"""Jobs for tests: `conf/base.yaml` with a few settings over it, small made-up sources, and what a night has left."""

from __future__ import annotations

import csv
import os
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession

from recsys_spark import config, stages
from recsys_spark.job import Job
from recsys_spark.progress import Progress
from recsys_spark.publishing.summary import Summary
from recsys_spark.run import Run
from recsys_spark.settings import Settings
from recsys_spark.storage import Folder
from tests.conftest import PROJECT

BASE = PROJECT / "conf" / "base.yaml"
JobMaker = Callable[..., Job]
"""Makes a job from settings `key=value` and whatever else the fixture's docstring says; each call is a new attempt."""


def settings_of(*overrides: str, files: Sequence[Path] = ()) -> Settings:
    """The settings of `conf/base.yaml`, with those of other files and the given ones over them."""
    return config.load(Settings, [BASE, *files], overrides)


def job_with(
    spark: SparkSession,
    settings: Settings,
    *,
    as_of: date | None = None,
    name: str = "nightly",
    arguments: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Job:
    """A new attempt with these settings."""
    run = Run.start(Folder(settings.output.path), as_of)
    return Job(spark, settings, run, Summary(), progress or Progress(), name, arguments or {})


def parquet_jobs(spark: SparkSession, folder: Path, *common: str) -> JobMaker:
    """Makes jobs that publish Parquet below a folder: `make(*overrides, output="output", as_of=None)`.

    Jobs with the same output find each other's stages, as long as what these depend on is the same.
    """

    def make(*overrides: str, output: str = "output", as_of: date | None = None) -> Job:
        given = (f"output.path={folder}/{output}", "output.format=parquet", *common, *overrides)
        return job_with(spark, settings_of(*given), as_of=as_of)

    return make


def csv_source(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> tuple[str, ...]:
    """Write rows to a CSV file; gives the settings of a source that reads it.

    Args:
        path: of the file.
        columns: of `user`, `item`, `rating`, `timestamp`, `event`: those that the rows have, in their order.
        rows: the values.
    """
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])
    roles = ", ".join(
        f"{role}: {role if role in columns else 'null'}" for role in ("user", "item", "rating", "timestamp", "event")
    )
    return (f"source={{path: {path}, separator: ',', header: true, columns: {{{roles}}}}}",)


def write_source(path: Path, ratings: str | bytes) -> None:
    """Write a source whose time follows from its content: what is put back as it was has its old fingerprint again."""
    content = ratings.encode() if isinstance(ratings, str) else ratings
    path.write_bytes(content)
    seconds = zlib.crc32(content) % 2**30
    os.utime(path, (seconds, seconds))


def checkerboard(users: int = 12, items: int = 10) -> str:
    """Ratings `user::item::rating::time`: even users like even items; every third pair is left to be recommended."""
    pairs = [(u, i) for u in range(users) for i in range(items) if (u + 2 * i) % 3]
    return "".join(f"{u}::{i}::{5 if u % 2 == i % 2 else 1}::{100 + u}\n" for u, i in pairs)


def night_of(job: Job) -> Job:
    """The job, after a whole night."""
    stages.nightly(job)
    return job


def scored(job: Job) -> Job:
    """The job, after what comes before its lists in a night and is not finished yet, and the staging of the lists."""
    for stage, step in (("ingest", stages.ingest), ("train", stages.train)):
        if not job.may_reuse(stage):
            step(job)
    stages.score(job)
    return job


def published(job: Job, table: str = "top_n") -> pd.DataFrame:
    """A table as readers of the Parquet output see it."""
    return pd.read_parquet(job.run.output.path / "current" / table)


def staged(job: Job) -> pd.DataFrame:
    """The lists that the job has staged, a row for each, by user."""
    return pd.read_parquet(job.folder("score").path / "lists").sort_values("user_id", ignore_index=True)
