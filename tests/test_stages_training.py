"""Training as a stage of a night: it goes on after a kill, and the second night starts where the first one ended."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recsys_spark import stages
from recsys_spark.artifact import load_weights
from recsys_spark.job import Job
from recsys_spark.models.warm import Weights
from recsys_spark.training import progress_bar
from recsys_spark.training.epochs import FitNews
from recsys_spark.training.fit import Trainer
from tests.jobs import JobMaker, checkerboard, night_of, parquet_jobs, write_source

FIRST, SECOND, THIRD = (date(2026, 11, day) for day in (1, 2, 3))


class KilledError(Exception):
    """Where a kill would have ended the job."""


@pytest.fixture(scope="module")
def job(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> JobMaker:
    """Makes a job for a date, of the ratings of so many users."""
    folder = tmp_path_factory.mktemp("nights")

    def make(as_of: date, users: int, *overrides: str) -> Job:
        path = folder / f"{users}.txt"
        write_source(path, checkerboard(users))
        training = "{epochs: 6, batch_size: 16, warm_start: true, checkpoint_seconds: 0, early_stopping: null}"
        common = (f"source.path={path}", f"training={training}", "evaluation.k=[]")
        return parquet_jobs(spark, folder, *common)(*overrides, as_of=as_of)

    return make


@pytest.fixture(scope="module")
def first_night(job: JobMaker) -> Job:
    return night_of(job(FIRST, 20))


@pytest.fixture(scope="module")
def second_night(job: JobMaker, first_night: Job) -> tuple[Job, list[Any]]:
    """Killed in the evaluated fit and started again; with what each fit was given to start from."""
    begun: list[Any] = []
    fit = Trainer.fit

    def noted(self: Trainer, name: str, *given: Any, start: Weights | None = None, **more: Any) -> Any:
        begun.append((name, start))
        return fit(self, name, *given, start=start, **more)

    def kill(self: Any, news: FitNews) -> None:
        if (news.fit, news.epoch, news.what) == ("evaluated", 2, "epoch"):
            raise KilledError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress_bar.ProgressBar, "__call__", kill)
        with pytest.raises(KilledError):
            stages.nightly(job(SECOND, 26))
    night = job(SECOND, 26)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "fit", noted)
        stages.nightly(night)
    return night, begun


def model_of(night: Job) -> Path:
    return night.run.models.path / str(night.summary.model_id)


def test_a_first_night_starts_cold_without_a_warning(first_night: Job) -> None:
    assert first_night.trained()["started_from"] is None
    assert first_night.trained()["epochs"] == 6
    assert not [warning for warning in first_night.run.warnings if "warm_start" in warning]


def test_the_second_starts_from_the_firsts_model_and_runs_half_the_epochs(
    first_night: Job, second_night: tuple[Job, list[Any]]
) -> None:
    night = second_night[0]
    assert night.trained()["started_from"] == first_night.summary.model_id
    assert night.trained()["epochs"] == 3
    manifest = json.loads((model_of(night) / "manifest.json").read_text())
    assert manifest["description"]["started_from"] == first_night.summary.model_id


def test_each_fit_starts_from_what_the_fit_of_its_name_has_learned(
    first_night: Job, second_night: tuple[Job, list[Any]]
) -> None:
    assert [name for name, _ in second_night[1]] == ["validated", "evaluated", "published"]
    for name, start in second_night[1]:
        learned = load_weights(model_of(first_night), name)
        assert start.keys() == learned.keys() > {"user_embedding.0", "item_bias.0"}
        for layer, array in learned.items():
            np.testing.assert_array_equal(start[layer], array)


def test_what_was_done_before_the_kill_is_told_and_recorded(second_night: tuple[Job, list[Any]]) -> None:
    assert second_night[0].trained()["resumed"] == {"validated": 3, "evaluated": 1}


def test_the_model_is_that_of_a_training_that_nobody_killed(job: JobMaker, second_night: tuple[Job, list[Any]]) -> None:
    # no state is left, so this one does everything again
    again = job(SECOND, 26)
    assert not again.states.exists()
    stages.train(again)
    assert again.trained()["resumed"] == {}
    assert again.summary.model_id == second_night[0].summary.model_id


def test_a_date_starts_from_the_night_before_it_however_often_it_is_run(
    job: JobMaker, first_night: Job, second_night: tuple[Job, list[Any]]
) -> None:
    last = {day: job(day, 26).last_model for day in (FIRST, SECOND, THIRD)}
    assert last == {FIRST: None, SECOND: first_night.summary.model_id, THIRD: second_night[0].summary.model_id}


def test_a_model_of_other_settings_is_not_taken_and_the_summary_says_why(job: JobMaker, first_night: Job) -> None:
    night = job(SECOND, 26, "model.embedding_size=3", "training.epochs=1")
    stages.train(night)
    cold = f"training.warm_start: cold, since of the last model {first_night.summary.model_id}"
    assert night.run.warnings == [f"{cold} the model has other settings"]
    assert night.trained()["started_from"] is None
