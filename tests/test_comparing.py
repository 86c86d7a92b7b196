"""Two published runs are compared by what they have kept; what cannot be compared is refused by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recsys_spark.comparing import compare
from recsys_spark.errors import ConfigError, DataError
from recsys_spark.job import Job
from recsys_spark.publishing.summary import Summary
from tests.jobs import JobMaker, csv_source, night_of, parquet_jobs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def job(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> JobMaker:
    """Makes a job on a checkerboard of 60 x 20."""
    folder = tmp_path_factory.mktemp("compared")
    random = np.random.default_rng(0)
    rows = [(u, i, 5 - 4 * ((u + i) % 2)) for u in range(60) for i in range(20) if random.random() < 0.6]
    return parquet_jobs(
        spark,
        folder,
        *csv_source(folder / "ratings.csv", ("user", "item", "rating"), rows),
        "model={name: ials, embedding_size: 4}",
        "training={objective: ranking, relevant_at: 4, epochs: 20, learning_rate: 0.05, early_stopping: null}",
        "split.validation_fraction=0",
        "evaluation={relevant_at: 4, bootstrap: 0, k: [3, 10]}",
        "scoring.top_n=3",
    )


@pytest.fixture(scope="module")
def good(job: JobMaker) -> Job:
    return night_of(job())


@pytest.fixture(scope="module")
def bad(job: JobMaker, good: Job) -> Job:
    """In the same output, whose audit would refuse it."""
    audit = "audit.max_worse_than_last_run.error=null"
    return night_of(job("training.epochs=1", "training.learning_rate=0.0001", audit))


def asked(good: Job, **arguments: str | None) -> Job:
    given = {"with_output": None, "scorer": "main", "with_scorer": "main", "run": good.run.run_id} | arguments
    return replace(good, summary=Summary(), arguments=given)


def test_the_better_run_is_better_and_the_table_says_so(
    good: Job, bad: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    question = asked(good, with_run=bad.run.run_id)
    compare(question)

    found = {one["metric"]: one for one in question.summary.metrics["compared"]}
    ndcg = found["ndcg@10"]
    assert ndcg["value"] == pytest.approx(good.summary.metrics["test"]["ndcg@10"], rel=1e-12)
    assert ndcg["other"] == pytest.approx(bad.summary.metrics["test"]["ndcg@10"], rel=1e-12)
    assert ndcg["low"] > 0
    assert ndcg["p"] < 0.05
    assert {metric.partition("@")[2] for metric in found} == {"3", "10"}
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{good.run.run_id} with {bad.run.run_id}"
    (told,) = (line for line in lines if " ndcg@10 " in line)
    assert f"{ndcg['gain']:+.4f}" in told


def test_a_run_is_compared_with_its_own_baseline(good: Job) -> None:
    question = asked(good, with_run=good.run.run_id, with_scorer="popularity")
    compare(question)
    found = {one["metric"]: one for one in question.summary.metrics["compared"]}
    gain = good.summary.metrics["test"]["ndcg_gain@10"]
    assert found["ndcg@10"]["gain"] == pytest.approx(gain, rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"with_run": "20260101T000000-abcdef"}, "--with: expected a published run of"),
        ({"run": "yesterday", "with_run": "yesterday"}, "--run: expected"),
        ({"with_scorer": "ease"}, "--with-scorer: expected one of main, popularity, found ease"),
    ],
)
def test_what_is_not_there_is_named(good: Job, arguments: dict[str, str], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        compare(asked(good, **{"with_run": good.run.run_id} | arguments))


def test_runs_of_other_splits_are_not_compared(good: Job, job: JobMaker) -> None:
    other = night_of(job("split.seed=43", output="other"))
    with pytest.raises(DataError, match="the same users with the same held-out ratings"):
        compare(asked(good, with_run=other.run.run_id, with_output=str(other.run.output)))
