"""`./spark-submit.sh maintain` on the tables of a real night, and what a kill may leave beside them."""

from __future__ import annotations

import json
import shutil

import pytest
from deltalake import DeltaTable

from recsys_spark import artifact
from tests.end_to_end.runs import Finished, submit

HEX = "0123456789abcdef" * 2
KILLED = "20260101T000000-abcdef"
LEFT = (
    "top_n/part-00099-dead.c000.snappy.parquet",
    "_work/score-0123456789abcdef/lists/part-0.parquet",
    f"models/.dot.{HEX}.draft/manifest.json",
    f"state/users/000001-{KILLED}/part-0.parquet",
    f"state/.vocabularies.json.{HEX}",
)
AT_ONCE = ("vacuum_hours=0", "allow_short_retention=true", "grace_hours=0")


@pytest.fixture(scope="module")
def maintained(sample: Finished, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The job on a copy of the sample's output, without its source, with logs as JSON and a file for Prometheus."""
    folder = tmp_path_factory.mktemp("maintained")
    shutil.copytree(sample.output, folder / "output", symlinks=True)
    for place in LEFT:
        path = folder / "output" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
    wanted = [f"maintenance.{setting}" for setting in AT_ONCE]
    wanted += ["source.path=gone.csv", "run.log_format=json", f"run.prometheus={folder}/recsys.prom"]
    settings = [x for setting in wanted for x in ("--set", setting)]
    options = ("--master", "local[2]", "--conf", "spark.sql.shuffle.partitions=3")
    run = submit(*options, "maintain", *settings, cwd=folder, output=folder / "output")
    assert run.code == 0, f"{run.summary['error']}\n{run.errors[-3000:]}"
    return run


def test_what_a_kill_left_is_gone_and_counted(maintained: Finished) -> None:
    assert [place for place in LEFT if (maintained.output / place).exists()] == []
    counts = maintained.summary["counts"]
    assert maintained.summary["status"] == "done"
    # beside the file of the killed write that of the empty quarantine, which no commit names
    assert (counts["removed_files"], counts["removed_temporaries"], counts["removed_additions"]) == (2, 2, 1)


def test_readers_see_the_same_run(maintained: Finished, sample: Finished) -> None:
    key = ["user_id", "rank"]
    before, after = (run.table("top_n").sort_values(key, ignore_index=True) for run in (sample, maintained))

    assert before.equals(after)
    assert DeltaTable(maintained.output / "top_n").history(1)[0]["userMetadata"] == f"run_id={sample.summary['run_id']}"
    assert artifact.load(maintained.output / "models" / sample.summary["model_id"])["main"].n_users == 30


def test_the_lines_of_the_log_are_objects_that_name_the_run(maintained: Finished) -> None:
    lines = [json.loads(line) for line in maintained.errors.splitlines() if line.startswith("{")]

    assert {(line["run_id"], line["job"]) for line in lines} == {(maintained.summary["run_id"], "maintain")}
    assert [line["stage"] for line in lines if line["event"] == "stage_done"] == ["session", "tables", "sweep"]
    assert lines[-1]["event"] == "ended"
    assert not [line for line in maintained.errors.splitlines() if line.startswith("[ ")]


def test_monitoring_knows_of_it(maintained: Finished) -> None:
    told = (maintained.output.parent / "recsys.prom").read_text().splitlines()

    assert 'recsys_exit_code{job_name="maintain"} 0' in told
    assert 'recsys_count{job_name="maintain",count="removed_additions"} 1' in told
