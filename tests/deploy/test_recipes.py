"""The recipes of conf/deploy name jobs that exist, and look at exit codes as docs/operations.md says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.conftest import PROJECT
from tests.launcher.project import executable

RECIPES = PROJECT / "conf" / "deploy"
STUB = """\
#!/bin/bash
echo "$@" >> "$(dirname "$0")/started"
echo "{\\"arguments\\": \\"$*\\"}"
exit "${1#exit}"
"""
"""Takes `exit<CODE>` for the name of a job and ends with that code."""


class TestRetrying:
    @pytest.mark.parametrize(("code", "attempts"), [(0, 1), (1, 3), (2, 1), (3, 1), (4, 3), (137, 1)])
    def test_only_what_may_go_away_is_tried_again(self, tmp_path: Path, code: int, attempts: int) -> None:
        (tmp_path / "conf/deploy").mkdir(parents=True)
        executable(tmp_path / "spark-submit.sh", STUB)
        shutil.copy(RECIPES / "retrying.sh", tmp_path / "conf/deploy")

        done = subprocess.run(
            [tmp_path / "conf/deploy/retrying.sh", f"exit{code}", "--config", "a b.yaml"],
            env={**os.environ, "RECSYS_RETRY_SECONDS": "0"},
            capture_output=True,
            check=False,
        )

        assert done.returncode == code
        started = (tmp_path / "started").read_text().splitlines()
        assert len(started) == attempts
        assert re.fullmatch(rf"exit{code} --as-of \d{{4}}-\d\d-\d\d --config a b.yaml", started[0])
        assert len(set(started)) == 1, "every attempt is for the same date"

    def test_cron_starts_jobs_that_exist(self) -> None:
        lines = (RECIPES / "cron/recsys").read_text().splitlines()
        jobs = [line.split(None, 6) for line in lines if re.match(r"[\d*]", line)]

        assert len(jobs) == 2
        for *times, user, command in jobs:
            assert all(re.fullmatch(r"\*|\d+", time) for time in times)
            assert user == "recsys"
            assert "%" not in command, "cron ends the command at one"
            assert job_file(command.split("retrying.sh ")[1].split()[0]).is_file()


class TestSystemd:
    def test_the_units_are_those_that_systemd_accepts(self, tmp_path: Path) -> None:
        if shutil.which("systemd-analyze") is None:
            pytest.skip("no systemd-analyze here")
        executable(tmp_path / "spark-submit.sh", STUB)
        for unit in (RECIPES / "systemd").iterdir():
            (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/recsys", str(tmp_path)))
        units = ["recsys@nightly.service", "recsys@maintain.service", "recsys-nightly.timer", "recsys-maintain.timer"]

        done = subprocess.run(
            ["systemd-analyze", "verify", *(f"./{unit}" for unit in units)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

        assert (done.returncode, done.stderr) == (0, "")

    def test_a_timer_starts_a_job_that_exists(self) -> None:
        for timer in (RECIPES / "systemd").glob("*.timer"):
            job = re.search(r"^Unit=recsys@(\w+)\.service$", timer.read_text(), re.MULTILINE)
            assert job is not None
            assert job_file(job[1]).is_file()


class TestKubernetes:
    def test_the_driver_is_started_as_our_command_line_wants_it(self) -> None:
        driver = cron_job()["template"]["spec"]["containers"][0]
        options, job, given = split_at_job(driver["args"])

        assert all(option.startswith("--") for option in options)
        assert job_file(job).is_file()
        assert given == ["--config=/etc/recsys/shop.yaml"]

    def test_what_a_retry_cannot_mend_fails_at_once(self) -> None:
        (rule,) = cron_job()["podFailurePolicy"]["rules"]

        assert rule["action"] == "FailJob"
        assert rule["onExitCodes"] == {"containerName": "driver", "operator": "In", "values": [2, 3]}
        assert cron_job()["template"]["spec"]["restartPolicy"] == "Never", "else there is no podFailurePolicy"


class TestDatabricks:
    def test_the_task_names_an_entry_point_of_the_wheel(self) -> None:
        job = json.loads((RECIPES / "databricks/job.json").read_text())
        project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        task = job["tasks"][0]["python_wheel_task"]

        assert task["package_name"] == project["name"]
        assert task["entry_point"] in project["entry-points"]["recsys_spark.jobs"]
        assert task["parameters"][::2] == ["--config", "--as-of"]


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds nothing but Airflow."""
    folder = tmp_path_factory.mktemp("airflow")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    wanted = ["apache-airflow-core>=3.1,<4", "apache-airflow-providers-standard>=1,<2"]
    done = subprocess.run([*pip, *wanted], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"Airflow cannot be installed here: {done.stderr[-500:]}")
    return folder / "bin/python"


@pytest.mark.slow
class TestAirflow:
    def test_the_dags_are_imported_and_retry_what_may_go_away(self, airflow: Path, tmp_path: Path) -> None:
        executable(tmp_path / "stub/spark-submit.sh", STUB)
        done = subprocess.run(
            [airflow, Path(__file__).parent / "airflow_check.py", RECIPES / "airflow", tmp_path / "stub"],
            env={"PATH": os.environ["PATH"], "AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"},
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout.splitlines()[-1])
        assert found["errors"] == {}
        assert found["retries"] == {"recsys_nightly": {"nightly": 2}, "recsys_maintain": {"maintain": 2}}
        published = "exit0 --config /etc/recsys/shop.yaml --as-of 2026-01-02"
        assert found["outcomes"] == [published, "is retried", "fails", "fails", "is retried"]


def job_file(name: str) -> Path:
    return PROJECT / "jobs" / f"{name}.py"


def cron_job() -> dict[str, dict]:
    resources = list(yaml.safe_load_all((RECIPES / "kubernetes/cronjob.yaml").read_text()))
    (job,) = (resource for resource in resources if resource["kind"] == "CronJob")
    return job["spec"]["jobTemplate"]["spec"]


def split_at_job(arguments: list[str]) -> tuple[list[str], str, list[str]]:
    job = next(place for place, argument in enumerate(arguments) if not argument.startswith("-"))
    return arguments[:job], arguments[job], arguments[job + 1 :]
