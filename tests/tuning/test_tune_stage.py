"""The stage that searches, publishes its trials and trains what it has found."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from recsys_spark import artifact, stages
from recsys_spark.errors import DataError
from recsys_spark.job import Job
from recsys_spark.schemas import TRIALS
from tests.jobs import JobMaker, job_with, settings_of

SPACE = "tune.space={model.name: [mlp, dot], model.layers: [[4], [8, 4]], training.epochs: {low: 1, high: 3}}"


@pytest.fixture(scope="module")
def job(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> JobMaker:
    """Makes a job on the same ratings and the same output; each call is a new attempt."""
    folder = tmp_path_factory.mktemp("tune")
    ratings = "".join(f"{u}::{i}::{4 if (u + i) % 2 == 0 else 2}::7\n" for u in range(12) for i in range(10))
    (folder / "ratings.txt").write_text(ratings)

    def make(*overrides: str, config_file: Path | None = None) -> Job:
        given = (f"source.path={folder}/ratings.txt", f"output.path={folder}/output", "output.format=parquet")
        files = [config_file] if config_file else []
        return job_with(spark, settings_of(*given, *overrides, files=files))

    return make


@pytest.fixture(scope="module")
def tuned(job: JobMaker) -> Job:
    """A job that has searched three trials, without an ingest before it."""
    tuned = job(SPACE, "tune.trials=3", "tune.sampler=random", "training.batch_size=16")
    stages.tune(tuned)
    return tuned


def trials(job: Job) -> pd.DataFrame:
    """The rows of the table `trials` that a job has written."""
    rows = pd.read_parquet(job.summary.tables["trials"])
    return rows[rows.run_id.astype(str) == job.run.run_id].sort_values("trial").reset_index(drop=True)


def study_folder(job: Job) -> Path:
    return Path(job.settings.output.path) / "tuning" / trials(job).study[0]


def test_every_trial_is_a_row(tuned: Job) -> None:
    rows = trials(tuned)

    assert {*rows.columns} == {column.name for column in TRIALS.columns}
    assert list(rows.trial) == [0, 1, 2]
    assert set(rows.state) == {"complete"}
    assert set(rows.metric) == {"mse"}
    assert rows.value.between(0, 4).all()
    assert rows.epochs.between(1, 3).all()
    assert (rows.seconds > 0).all()
    keys = {key for parameters in rows.parameters for key, _ in parameters}
    assert {"model.name", "training.epochs"} <= keys <= {"model.name", "training.epochs", "model.layers"}


def test_the_model_stored_is_that_of_the_best_trial(tuned: Job) -> None:
    rows = trials(tuned)
    best = dict(rows.parameters[rows.value.idxmin()])

    stored = artifact.load(f"{tuned.run.models}/{tuned.summary.model_id}")

    assert str(tuned.summary.model_id).startswith(best["model.name"].strip('"'))
    assert stored["main"].n_users == 12
    assert tuned.summary.tables["models"].endswith(str(tuned.summary.model_id))


def test_the_configuration_found_finds_the_model(tuned: Job, job: JobMaker) -> None:
    later = job(config_file=study_folder(tuned) / "best.yaml")

    stages.evaluate(later)

    assert later.summary.model_id == tuned.summary.model_id
    rows = trials(tuned)
    assert later.summary.metrics["validation"]["mse"] == pytest.approx(rows.value.min(), rel=1e-5)


def test_a_second_job_adds_trials_to_the_same_study(tuned: Job, job: JobMaker) -> None:
    more = job(SPACE, "tune.trials=4", "tune.sampler=random", "training.batch_size=16")

    stages.tune(more)

    old, new = trials(tuned), trials(more)
    pd.testing.assert_frame_equal(new[:3].drop(columns="run_id"), old.drop(columns="run_id"))
    assert list(new.trial) == [0, 1, 2, 3]


def test_other_inputs_settings_or_spaces_are_other_studies(tuned: Job, job: JobMaker) -> None:
    same = ("tune.sampler=random", "training.batch_size=16")
    others = [
        job(SPACE, "tune.sampler=tpe", "training.batch_size=16"),
        job(SPACE, "tune.sampler=random", "training.batch_size=17"),
        job(SPACE, *same, "split.seed=7"),
        job("tune.space={training.epochs: {low: 1, high: 3}}", *same),
    ]
    changed = job(SPACE, *same)
    changed.fingerprint = "another"
    unknown = [job(SPACE, *same), job(SPACE, *same)]
    for each in unknown:
        each.fingerprint = None

    names = {each.study_folder().path.name for each in (*others, changed, *unknown)}

    assert len(names) == 7
    again = job(SPACE, *same, "tune.trials=99", "tune.timeout=60", "scoring.top_n=3")
    assert again.study_folder().path == study_folder(tuned)
    assert study_folder(tuned).name not in names


def test_where_every_trial_fails_the_trials_tell_why_and_nothing_is_trained(job: JobMaker) -> None:
    failing = job("tune.space={training.learning_rate: [1.0e+30]}", "training.optimizer=sgd", "tune.trials=1")

    with pytest.raises(DataError, match="none; data: training"):
        stages.tune(failing)

    rows = trials(failing)
    assert list(rows.state) == ["failed"]
    assert "finite loss" in rows.message[0]
    assert rows.value.isna().all()
    assert failing.summary.model_id is None
    assert not (study_folder(failing) / "best.yaml").exists()
