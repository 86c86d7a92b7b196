"""A night on a real standalone cluster, whose machines have only Spark and Python, and one of which dies on the way."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.end_to_end.cluster import free_port, running
from tests.end_to_end.runs import HANGS, PROJECT, Finished, clean_environment, published, submit

USERS, ITEMS = 6_144, 70_000
"""Six blocks of users, and so six tasks that make lists."""

SETTINGS = (
    # a net that no bound screens: scoring takes long enough for an accident
    *("--set", "model.name=mlp", "--set", "model.layers=[32, 16]", "--set", "training.epochs=1"),
    # nearly all lists are made by the scoring of the night, hardly any for its evaluation
    *("--set", "split.test_fraction=0.005", "--set", "split.validation_fraction=0.005"),
    *("--set", "evaluation.k=[]", "--set", "evaluation.bootstrap=0", "--set", "training.refit=false"),
)


@dataclass(frozen=True)
class Accident:
    """The night on the cluster, and what is known of the machine that died.

    Args:
        run: the night.
        events: Spark's log of what happened.
        executor: the number of the one that ran on the machine.
        unpacked: the workers beside whose executor an environment was found.
    """

    run: Finished
    events: list[dict[str, Any]]
    executor: str
    unpacked: set[str]


@pytest.fixture(scope="module")
def ratings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each user has rated twelve items, and each item was rated; in a folder of two files."""
    folder = tmp_path_factory.mktemp("cluster") / "ratings"
    folder.mkdir()
    for part in range(2):
        with (folder / f"{part}.txt").open("w") as file:
            for user in range(part, USERS, 2):
                for item in range(12 * user, 12 * user + 12):
                    file.write(f"{user}::{item % ITEMS}::{1 + (user + item) % 5}::{1_600_000_000 + user}\n")
    return folder


@pytest.fixture(scope="module")
def at_home(ratings: Path) -> Finished:
    """The same night in local mode."""
    options = ("--master", "local[2]", "nightly", "--set", f"source.path={ratings}", *SETTINGS)
    return published(submit(*options, cwd=ratings.parent, output=ratings.parent / "at_home"))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make package` makes."""
    dist = tmp_path_factory.mktemp("dist")
    command = [sys.executable, str(PROJECT / ".ci" / "make_package.py"), "--out", str(dist)]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return dist


@pytest.fixture(scope="module")
def accident(ratings: Path, package: Path, tmp_path_factory: pytest.TempPathFactory) -> Accident:
    """A night started by the packed launcher, one of whose two workers is killed while both score."""
    import pyspark

    folder = tmp_path_factory.mktemp("machines")
    with tarfile.open(next(package.glob("*-launcher.tar.gz"))) as launcher:
        launcher.extractall(folder, filter="data")
    events, output = folder / "events", ratings.parent / "on_cluster"
    events.mkdir()
    port = free_port()
    with running(folder, Path(pyspark.__file__).parent) as cluster:
        start = [
            *(str(next(folder.glob("recsys-spark-*/spark-submit.sh"))), "--master", cluster.master),
            *("--archives", f"{next(package.glob('*-executors-*.tar.gz'))}#environment"),
            *("--conf", "spark.pyspark.python=./environment/bin/python", "--conf", "spark.driver.host=127.0.0.1"),
            *(
                "--conf",
                "spark.driver.bindAddress=127.0.0.1",
                "--conf",
                f"spark.ui.port={port}",
                "--executor-memory",
                "1g",
            ),
            *("--conf", "spark.eventLog.enabled=true", "--conf", f"spark.eventLog.dir=file:{events}"),
            *("--conf", "spark.eventLog.compress=false", "--conf", "spark.eventLog.rolling.enabled=false"),
            *("nightly", "--set", f"source.path={ratings}", *SETTINGS, "--set", f"output.path={output}"),
        ]
        jars = ",".join(map(str, sorted((PROJECT / ".cache" / "jars").glob("delta-*.jar"))))
        chosen = {"RECSYS_PYTHON": sys.executable, "RECSYS_DELTA_JARS": jars}
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            night = subprocess.Popen(start, cwd=folder, env=clean_environment() | chosen, stdout=out, stderr=err)
        try:
            _wait_until_both_score(night, folder / "err", port)
            cluster.kill("worker-2")
            code = night.wait(HANGS)
        finally:
            night.kill()
        said = cluster.log("worker-2")
        unpacked = {place.relative_to(folder).parts[0] for place in folder.glob("*/*/app-*/*/environment/bin/python")}
    lines, errors = (folder / "out").read_text().splitlines(), (folder / "err").read_text(errors="replace")
    told = [json.loads(line) for line in next(events.iterdir()).read_text().splitlines()]
    executor = re.findall(r"Asked to launch executor \S+/(\d+)", said)[-1]
    return Accident(Finished(code, json.loads(lines[-1]), lines, errors, output), told, executor, unpacked)


@pytest.mark.cluster
def test_a_night_survives_the_death_of_a_worker_and_gives_the_rows_of_a_local_one(
    accident: Accident, at_home: Finished
) -> None:
    run = published(accident.run)

    pd.testing.assert_frame_equal(run.rows(), at_home.rows())
    assert run.summary["model_id"] == at_home.summary["model_id"]
    assert len(run.rows()) == 10 * USERS


@pytest.mark.cluster
def test_the_worker_died_while_lists_were_made(accident: Accident) -> None:
    ended = [event for event in accident.events if event["Event"] == "SparkListenerTaskEnd"]
    lost = [event for event in ended if event["Task End Reason"]["Reason"] == "ExecutorLostFailure"]
    stages = {
        event["Stage Info"]["Stage ID"]: json.dumps(event["Stage Info"])
        for event in accident.events
        if event["Event"] == "SparkListenerStageCompleted"
    }

    assert {event["Task Info"]["Executor ID"] for event in lost} == {accident.executor}
    assert all("MapInArrow" in stages[event["Stage ID"]] for event in lost)
    assert re.search(rf"Lost executor {accident.executor} on 127.0.0.1", accident.run.errors)


@pytest.mark.cluster
def test_the_machines_take_their_packages_from_the_archive(accident: Accident) -> None:
    told = next(event for event in accident.events if event["Event"] == "SparkListenerEnvironmentUpdate")

    assert told["Spark Properties"]["spark.pyspark.python"] == "./environment/bin/python"
    assert accident.unpacked == {"worker-1", "worker-2"}


def _wait_until_both_score(night: subprocess.Popen[bytes], told: Path, port: int) -> None:
    """Wait until lists are made on both workers, and some are done already."""
    end = time.monotonic() + HANGS
    while time.monotonic() < end and night.poll() is None:
        if "] score ..." in told.read_text(errors="replace"):
            pages = f"http://127.0.0.1:{port}/api/v1/applications"
            stages = f"{pages}/{_get(pages)[0]['id']}/stages"
            for stage in _get(f"{stages}?status=active"):
                if stage["numCompleteTasks"] and stage["numActiveTasks"] == 2:
                    running = _get(f"{stages}/{stage['stageId']}/{stage['attemptId']}/taskList?status=running")
                    if len({task["executorId"] for task in running}) == 2:
                        return
        time.sleep(0.2)
    raise AssertionError(f"the two workers were never seen at work:\n{told.read_text(errors='replace')[-3000:]}")


def _get(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=60) as answer:
        return json.load(answer)
