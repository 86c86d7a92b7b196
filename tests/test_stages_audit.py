"""Nights that must not be published: what is visible stays, the stage is kept, and the message says why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from recsys_spark import stages
from recsys_spark.bookkeeping import open_books
from recsys_spark.errors import AuditError, DataError, RecsysError
from recsys_spark.ingest.ingested import RECORD
from recsys_spark.job import Job
from tests.jobs import JobMaker, night_of, parquet_jobs, published

AS_OF = date(2024, 2, 29)
NOON = int(datetime(2024, 2, 29, 12, tzinfo=UTC).timestamp())


@pytest.fixture(scope="module")
def night(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> JobMaker:
    """Makes a job on ratings of the first `users` of twelve; each call is a new attempt at the same output."""
    folder = tmp_path_factory.mktemp("audited")

    def make(*overrides: str, users: int = 12, as_of: date = AS_OF) -> Job:
        path = folder / f"{users}.txt"
        if not path.exists():  # an untouched file keeps its fingerprint
            path.write_text("".join(ratings_of(user) for user in range(users)))
        common = (f"source.path={path}", "training.epochs=1", "evaluation.k=[]")
        return parquet_jobs(spark, folder, *common)(*overrides, as_of=as_of)

    return make


def ratings_of(user: int) -> str:
    """A third of twenty items is left to be recommended."""
    items = (item for item in range(20) if (user + 2 * item) % 3)
    return "".join(f"{user}::{item}::{5 if user % 2 == item % 2 else 1}::{NOON - user}\n" for item in items)


@pytest.fixture(scope="module")
def first(night: JobMaker) -> Job:
    """A sound night."""
    return night_of(night())


def publish(job: Job) -> None:
    """Audit and publish what an earlier attempt has staged."""
    stages.publish(job, open_books(job))


def turnover(job: Job) -> dict[str, int]:
    """Of users and items since the last run, as the summary tells it."""
    return {name: n for name, n in job.summary.counts.items() if name.endswith(("_new", "_gone"))}


def refused(job: Job, part: Callable[[Job], object], *, visible_of: Job) -> RecsysError:
    """The error that a part ends with; what was visible before it stays."""
    before = published(visible_of)
    with pytest.raises((AuditError, DataError)) as raised:
        part(job)
    pd.testing.assert_frame_equal(published(visible_of), before)
    return raised.value


def test_a_first_night_passes_and_the_summary_keeps_its_figures(first: Job) -> None:
    found = first.summary.audit

    assert first.summary.status == "published"
    assert (found["last_run"], found["overlap"], found["lost_share"]) == (None, None, None)
    assert turnover(first) == {}
    assert (found["ok_share"], found["empty_share"], found["quarantined_share"]) == (1.0, 0.0, 0.0)
    assert found["source_age"] == 0.5
    mse = first.summary.metrics["test"]["mse"]
    best = min(b["mse"] for b in first.summary.metrics["baseline"].values() if "mse" in b)
    assert found["worse_than_baseline"] == pytest.approx(mse / best - 1)


def test_a_source_that_has_lost_most_users_is_not_published_until_somebody_says_so(first: Job, night: JobMaker) -> None:
    truncated = night("training.epochs=1", users=4)

    error = refused(truncated, stages.nightly, visible_of=first)

    assert truncated.summary.fail(error) == 3
    assert truncated.summary.status == "audit_failed"
    assert error.subject == "rule max_lost_share"
    assert "0.666667 (8 of 12 users of the last run are not in this one), such as {'user_id': 4}" in error.found
    assert truncated.summary.audit["last_run"] == first.run.run_id
    assert turnover(truncated) == {"users_new": 0, "users_gone": 8, "items_new": 0, "items_gone": 0}
    stage = truncated.folder("score")
    assert str(stage) in error.hint
    assert len(pd.read_parquet(stage.path / "lists")) == 4

    allowed = night("audit.max_lost_share.error=null", users=4)
    publish(allowed)
    assert set(published(allowed).user_id) == {0, 1, 2, 3}
    assert any("audit.max_lost_share" in warning for warning in allowed.run.warnings)

    again = night()
    publish(again)
    assert again.summary.audit["last_run"] == allowed.run.run_id
    assert again.summary.audit["lost_share"] == 0
    assert turnover(again) == {"users_new": 8, "users_gone": 0, "items_new": 0, "items_gone": 0}
    assert again.summary.audit["worse_than_last_run"] is not None


def test_a_model_that_is_far_worse_than_last_time_is_not_published(first: Job, night: JobMaker) -> None:
    job = night()
    record = job.folder("evaluate")
    measured = record.read_json(RECORD)
    worse = [m | {"value": 3 * m["value"]} if (m["scorer"], m["metric"]) == ("main", "mse") else m for m in measured]
    record.write_json(RECORD, worse)

    try:
        error = refused(job, publish, visible_of=first)
    finally:
        record.write_json(RECORD, measured)

    assert error.subject == "rule max_worse_than_last_run"
    assert "test mse" in error.found
    assert job.summary.audit["worse_than_last_run"] == pytest.approx(2)


def test_a_source_that_is_stuck_is_told_before_training_and_for_an_older_ingest_too(
    first: Job, night: JobMaker
) -> None:
    limit, later = "quality.max_source_age=2", date(2024, 3, 2)

    error = refused(night(limit, as_of=later), stages.ingest, visible_of=first)

    assert (error.subject, error.exit_code) == ("quality.max_source_age", 3)
    assert error.found == "the newest of 2024-02-29 12:00:00 UTC, 2.5 days before it"

    error = refused(night("audit.max_source_age.error=2", as_of=later), publish, visible_of=first)
    assert (error.subject, error.status) == ("rule max_source_age", "audit_failed")
    stages.ingest(night(limit))


def test_lists_that_nobody_has_measured_are_published_with_a_warning(first: Job, night: JobMaker) -> None:
    job = night("evaluation.bootstrap=0")

    publish(job)

    assert any("`evaluate` has not measured it" in warning for warning in job.run.warnings)
    assert job.summary.audit["worse_than_baseline"] is None
