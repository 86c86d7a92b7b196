"""A night in Airflow 3: `--as-of` is the date of the DAG's run, retries are safe, what no retry can mend fails at once.

Copy it into the folder of DAGs. It needs nothing but Airflow itself; `spark-submit.sh` and Java lie on the worker.
"""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import dag, get_current_context, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException

HOME = "/opt/recsys"
CONFIG = "/etc/recsys/shop.yaml"

TO_BE_MENDED = {2: "the configuration", 3: "the data"}
"""Exit codes that come back until somebody has mended something; 1 and 4 may go away."""


def run_job(job: str, as_of: str) -> dict[str, Any]:
    """Start a job and wait for it.

    Args:
        job: its name.
        as_of: the business date. With the same one a second attempt finds its work done, or goes on from the last
            stage that the first has finished.

    Returns:
        The summary, the last line on stdout. Logs go to those of the task.
    """
    command = [f"{HOME}/spark-submit.sh", job, "--config", CONFIG, "--as-of", as_of]
    with subprocess.Popen(command, cwd=HOME, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            last = ""
            for line in process.stdout or ():
                print(line, end="")
                last = line
        except BaseException:
            process.terminate()  # the task was stopped
            raise
    code = process.returncode
    if code in TO_BE_MENDED:
        raise AirflowFailException(f"{job} ended with exit code {code}: mend {TO_BE_MENDED[code]}; {last}")
    if code != 0:
        raise AirflowException(f"{job} ended with exit code {code}; {last}")
    return dict(json.loads(last))


def date_of_run() -> str:
    """The logical date; a run that was started by hand may have none, and takes that of its start."""
    run = get_current_context()["dag_run"]
    return str((run.logical_date or run.run_after).astimezone(UTC).date())


@dag(
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=8),
    tags=["recsys"],
)
def recsys_nightly() -> None:
    """One task: the job itself goes on where an attempt has stopped."""

    @task(retries=2, retry_delay=timedelta(minutes=10), execution_timeout=timedelta(hours=3))
    def nightly() -> dict[str, Any]:
        return run_job("nightly", date_of_run())

    nightly()


@dag(
    schedule="0 6 * * 0",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["recsys"],
)
def recsys_maintain() -> None:
    """Once a week, when no night is at work."""

    @task(retries=2, retry_delay=timedelta(minutes=10))
    def maintain() -> dict[str, Any]:
        return run_job("maintain", date_of_run())

    maintain()


recsys_nightly()
recsys_maintain()
