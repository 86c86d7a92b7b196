"""A database follows the visible run: after a night, after one that found it dead, and when the job is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from jobs import forget as forgetting
from recsys_spark import stages
from recsys_spark.errors import ConfigError, DataError
from recsys_spark.forgetting.request import Request
from recsys_spark.job import Job
from recsys_spark.rollback import roll_back
from recsys_spark.serving import serve, serve_if_wanted
from tests.databases import USER, Server
from tests.jobs import JobMaker, checkerboard, night_of, parquet_jobs, published, write_source


@pytest.fixture
def job(spark: SparkSession, tmp_path: Path, postgresql: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobMaker]:
    """Makes a job on ratings that is to serve its lists."""
    monkeypatch.setenv("RECSYS_TEST_DATABASE", postgresql.password)
    served = f"serve={{url: '{postgresql.url}', user: {USER}, password: 'env:RECSYS_TEST_DATABASE', top_n: best}}"

    def make(ratings: str, *overrides: str) -> Job:
        write_source(tmp_path / "ratings.txt", ratings)
        quick = ("training.epochs=2", "training.batch_size=16", served)
        return parquet_jobs(spark, tmp_path, f"source.path={tmp_path / 'ratings.txt'}", *quick)(*overrides)

    yield make
    postgresql.execute("DROP TABLE IF EXISTS best, user_outcomes")


def lists(server: Server) -> list[tuple[object, ...]]:
    return sorted(server.rows('SELECT run_id, user_id, "rank", item_id FROM best'))


def lists_of(table: pd.DataFrame) -> list[tuple[object, ...]]:
    return sorted(table[["run_id", "user_id", "rank", "item_id"]].itertuples(index=False, name=None))


def test_a_database_follows_what_is_visible(job: JobMaker, postgresql: Server) -> None:
    first = night_of(job(checkerboard()))
    of_first = published(first)
    assert lists(postgresql) == lists_of(of_first)

    postgresql.kill()
    second = job(checkerboard() + "40::1::5::900\n")
    with pytest.raises(DataError) as raised:
        stages.nightly(second)
    postgresql.start()
    assert raised.value.subject == "serve.url"
    assert set(published(second).run_id) == {second.run.run_id}, "the output has it"
    assert lists(postgresql) == lists_of(of_first), "the database has what it had"

    again = night_of(job(checkerboard() + "40::1::5::900\n"))
    assert again.summary.status == "nothing_to_do"
    assert lists(postgresql) == lists_of(published(second))

    back = job(checkerboard())
    roll_back(back, first.run.run_id)
    serve_if_wanted(back)
    assert lists(postgresql) == lists_of(of_first)

    postgresql.execute("DELETE FROM best WHERE user_id = 3")
    serve_if_wanted(job(checkerboard()))
    assert lists(postgresql) != lists_of(of_first), "it is served already"
    serve(job(checkerboard()))
    assert lists(postgresql) == lists_of(of_first), "whoever asks gets it anew"


def test_without_a_database_the_job_says_what_is_missing(job: JobMaker) -> None:
    with pytest.raises(ConfigError, match=r"serve\.url"):
        serve(job(checkerboard(), "serve.url=null"))


def test_a_user_who_is_forgotten_is_gone_from_the_database_too(job: JobMaker, postgresql: Server) -> None:
    night_of(job(checkerboard()))
    of_others = [row for row in lists(postgresql) if row[1] != 3]
    assert len(of_others) < len(lists(postgresql))
    asked = replace(job(checkerboard()), arguments={"users": Request(["3"])})

    forgetting.run(asked)

    assert lists(postgresql) == of_others
    assert {user for (user,) in postgresql.rows("SELECT user_id FROM user_outcomes")} == {row[1] for row in of_others}
