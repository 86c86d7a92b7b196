"""The job that searches settings, on the sample that pyspark ships."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from deltalake import DeltaTable

from recsys_spark import artifact
from tests.end_to_end.runs import Finished, submit

SEARCH = """
training: {epochs: 2}
tune:
  trials: 3
  sampler: random
  pruner: none
  metric: mae
  space:
    model.embedding_size: [2, 4]
    model.l2: {low: 0.001, high: 0.1, log: true}
"""


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """`./spark-submit.sh tune` with three small trials."""
    folder = tmp_path_factory.mktemp("tune")
    (folder / "search.yaml").write_text(SEARCH)
    options = ("--master", "local[2]", "--conf", "spark.sql.shuffle.partitions=3")
    run = submit(*options, "tune", "--config", "search.yaml", cwd=folder, output=folder / "output")
    assert run.code == 0, f"{run.summary['error']}\n{run.errors[-3000:]}"
    return run


@pytest.mark.slow
def test_the_summary_names_the_trials_and_the_model(tuned: Finished) -> None:
    assert tuned.summary["status"] == "done"
    assert {"trials", "models"} == set(tuned.summary["tables"])
    assert (Path(tuned.summary["tables"]["models"]) / "manifest.json").is_file()
    assert not (tuned.output / "top_n").exists()


@pytest.mark.slow
def test_delta_rs_reads_the_trials(tuned: Finished) -> None:
    rows = DeltaTable(tuned.summary["tables"]["trials"]).to_pandas().sort_values("trial")

    assert list(rows.trial) == [0, 1, 2]
    assert set(rows.state) == {"complete"}
    assert set(rows.metric) == {"mae"}
    assert rows.value.between(0, 5).all()
    assert {key for parameters in rows.parameters for key, _ in parameters} == {"model.embedding_size", "model.l2"}


@pytest.mark.slow
def test_the_configuration_found_is_the_one_trained_and_is_accepted(tuned: Finished, tmp_path: Path) -> None:
    (file,) = tuned.output.glob("tuning/*/best.yaml")
    rows = tuned.table("trials")
    best = {key: json.loads(value) for key, value in rows.parameters[rows.value.idxmin()]}
    found = yaml.safe_load(file.read_text())

    dry = submit("nightly", "--config", str(file), "--dry-run", cwd=tmp_path, output=tuned.output)

    assert (dry.code, dry.summary["status"]) == (0, "dry_run")
    assert (found["model"]["embedding_size"], found["model"]["l2"]) == tuple(best.values())
    assert artifact.load(tuned.summary["tables"]["models"])["main"].user.shape[1] == found["model"]["embedding_size"]


@pytest.mark.slow
def test_progress_says_what_each_trial_gave(tuned: Finished) -> None:
    assert len([line for line in tuned.errors.splitlines() if "complete: mae" in line]) == 3


def test_a_space_that_cannot_be_searched_is_refused_without_spark(tmp_path: Path) -> None:
    space = "tune.space={model.embeding_size: [2, 4]}"

    run = submit("tune", "--set", space, "--dry-run", cwd=tmp_path, output=tmp_path / "output")

    assert (run.code, run.summary["status"]) == (2, "invalid")
    assert "did you mean 'model.embedding_size'?" in run.summary["error"]["hint"]
