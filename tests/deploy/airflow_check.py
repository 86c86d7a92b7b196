"""Run by the Python of an Airflow: imports the DAGs as its scheduler does, and has their task start a stub.

The arguments: the folder of the DAGs, and a folder whose `spark-submit.sh` takes `exit<CODE>` for the name of a job.
The last line on stdout tells as JSON what was found.
"""

from __future__ import annotations

import json
import sys

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowException, AirflowFailException

folder, stub = sys.argv[1:]
bag = DagBag(dag_folder=folder)
sys.path.insert(0, folder)

import recsys_nightly  # noqa: E402  (it lies in the folder)

recsys_nightly.HOME = stub


def outcome(code: int) -> str:
    """What becomes of a task whose job ends with that exit code."""
    try:
        return str(recsys_nightly.run_job(f"exit{code}", "2026-01-02")["arguments"])
    except AirflowFailException:
        return "fails"
    except AirflowException:
        return "is retried"


retries = {dag.dag_id: {task.task_id: task.retries for task in dag.tasks} for dag in bag.dags.values()}
print(json.dumps({"errors": bag.import_errors, "retries": retries, "outcomes": [outcome(code) for code in range(5)]}))
