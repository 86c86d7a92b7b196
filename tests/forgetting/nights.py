"""A night with a user who is to be forgotten: in ratings, defects, tables of users, searches, messages."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recsys_spark import stages
from recsys_spark.forgetting.erasure import forget
from recsys_spark.forgetting.request import Request
from recsys_spark.job import Job
from recsys_spark.publishing.rows import top_users_rows
from recsys_spark.publishing.sinks import SINKS
from recsys_spark.schemas import TOP_USERS
from tests.jobs import job_with, settings_of

ITEMS = 8


@dataclass(frozen=True)
class World:
    """Sources with a user, an output of one night, and how jobs on them are made."""

    spark: SparkSession
    folder: Path
    format: str
    user: str

    @property
    def output(self) -> Path:
        return self.folder / "output"

    def copy(self, folder: Path) -> World:
        """The same sources, and the output somewhere else."""
        shutil.copytree(self.output, folder / "output", symlinks=True)
        for name in ("ratings.txt", "users.csv"):
            shutil.copy2(self.folder / name, folder)
        return World(self.spark, folder, self.format, self.user)

    def job(self, users: Iterable[str] = (), *overrides: str) -> Job:
        settings = settings_of(
            f"source.path={self.folder}/ratings.txt",
            f"users.path={self.folder}/users.csv",
            "users.columns={user: id, country: country}",
            f"output.path={self.output}",
            f"output.format={self.format}",
            "quality.max_quarantined_share=0.5",
            "training.epochs=1",
            "evaluation.k=[]",
            "training.early_stopping=null",
            "scoring.top_n=3",
            *overrides,
        )
        return job_with(self.spark, settings, arguments={"users": Request(users)})

    def forget(self, *users: str) -> Job:
        job = self.job(users or [self.user])
        forget(job)
        return job

    def ingested(self, name: str) -> pd.DataFrame:
        """What one more ingest leaves."""
        return pd.DataFrame([row.asDict() for row in stages.ingest(self.job()).read(self.spark, name).collect()])


def rated(user: str, others: Iterable[str]) -> str:
    """Ratings of the user and of others, sound and not, as `user::item::rating::time`."""
    rows = [
        f"{u}::{i}::{1 + (n + i) % 5}::{100 + i}"
        for n, u in enumerate((user, *others))
        for i in range(ITEMS)
        if (n + i) % 4
    ]
    rows += [f"{user}::{ITEMS - 1}::good::7", f" {user}::1::2::7", f"{user}::2::7", f"x::{user}::1::2::3"]
    return "\n".join(rows) + "\n"


def night(spark: SparkSession, folder: Path, kind: str, user: str, others: tuple[str, ...]) -> World:
    """One night, and what other jobs and failures may have left beside it."""
    (folder / "ratings.txt").write_text(rated(user, others))
    (folder / "users.csv").write_text("id,country\n" + "".join(f"{u},SE\n" for u in (user, *others)))
    world = World(spark, folder, kind, user)
    job = world.job()
    stages.nightly(job)
    ids = job.ingested().vocabularies.ids
    lists = spark.createDataFrame([(i, [user, *others[:2]]) for i in range(3)], "item_id long, users array<string>")
    kind_of_id = "bigint" if ids.user == "long" else "string"
    lists = lists.select(
        "item_id", F.col("users").cast(f"array<{kind_of_id}>").alias("user_ids"), F.lit([3.0, 2.0, 1.0]).alias("scores")
    )
    lists = lists.withColumn("scores", F.col("scores").cast("array<float>"))
    sink = SINKS[kind](spark, job.run.output, ids, job.run.run_id)
    sink.publish_alone(TOP_USERS, top_users_rows(lists, job.run, "dot-0", job.run.started_at))
    found = folder / "output" / "tuning" / "study"
    found.mkdir(parents=True)
    (found / "best.yaml").write_text("# Trial 1\n" + yaml.safe_dump({"scoring": {"users": [user, *others]}}))
    message = f"audit: rule nothing_seen: expected to hold, found 1 list, such as {{'user_id': '{user}', 'n': 3}}."
    (folder / "output" / "summaries").mkdir(exist_ok=True)
    (folder / "output" / "summaries" / "run-0.json").write_text(
        json.dumps({"run_id": "run-0", "error": {"code": "audit", "message": message, "hint": "none"}, "warnings": []})
    )
    return world
