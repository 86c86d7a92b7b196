"""One nightly run with secrets wherever they may be configured, and hostile ids: what can be found of either."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests import hostile
from tests.end_to_end.runs import HANGS, PROJECT, Finished, clean_environment, published

CANARIES = {
    "password of the source, in the environment": "K4narie-environment",
    "password of the items, in a file": "K4narie-file",
    "password of AWS, in the environment": "K4narie-aws",
    "spark.hadoop.fs.s3a.secret.key": "K4narie-s3a",
    "spark.hadoop.fs.s3a.session.token": "K4narie-session",
    "spark.hadoop.fs.azure.account.key.me.dfs.core.windows.net": "K4narie-azure",
    "spark.hadoop.fs.azure.sas.container.me": "K4narie-sas",
    "spark.hadoop.fs.gs.auth.service.account.private.key": "K4narie-google",
    "spark.executorEnv.DATABASE_PASSWORD": "K4narie-executors",
}


@dataclass(frozen=True)
class Watched:
    """A run, what was on the list of processes while it ran, and its event logs."""

    run: Finished
    processes: str
    events: str
    folder: Path


class ProcessList(threading.Thread):
    """Reads the arguments of all processes again and again."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: set[bytes] = set()
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.1):
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(place.read_bytes())
                except OSError:  # it has ended meanwhile
                    continue


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "events").mkdir()
    pq.write_table(pa.table(hostile.ratings()), folder / "ratings.parquet")
    pq.write_table(pa.table({"id": hostile.IDS, "name": hostile.IDS}), folder / "items.parquet")
    (folder / "password").write_text(CANARIES["password of the items, in a file"] + "\n")
    properties = {
        "spark.master": "local[2]",
        "spark.driver.memory": "2g",
        "spark.sql.shuffle.partitions": "3",
        "spark.eventLog.enabled": "true",
        "spark.eventLog.compress": "false",
        "spark.eventLog.rolling.enabled": "false",
        "spark.eventLog.dir": f"file:{folder}/events",
        **{key: canary for key, canary in CANARIES.items() if key.startswith("spark.")},
    }
    (folder / "spark.conf").write_text("".join(f"{key} {value}\n" for key, value in properties.items()))
    (folder / "mine.yaml").write_text(
        f"""
source:
  format: parquet
  path: {folder}/ratings.parquet
  columns: {{user: user, item: item, rating: rating, timestamp: null}}
  password: env:RATINGS_PASSWORD
items:
  format: parquet
  path: {folder}/items.parquet
  columns: {{item: id, title: name, attribute: name}}
  password: file:{folder}/password
model: {{embedding_size: 4}}
training: {{epochs: 2}}
scoring: {{top_n: 5}}
run: {{log_format: json, prometheus: {folder}/recsys.prom}}
"""
    )
    environment = clean_environment() | {
        "RATINGS_PASSWORD": CANARIES["password of the source, in the environment"],
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": CANARIES["password of AWS, in the environment"],
    }
    command = [PROJECT / "spark-submit.sh", "--properties-file", folder / "spark.conf", "nightly"]
    command += ["--config", folder / "mine.yaml", "--set", f"output.path={folder}/output"]
    processes = ProcessList()
    processes.start()
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=HANGS, check=False
    )
    processes.ended.set()
    processes.join()
    lines = done.stdout.splitlines()
    assert lines, done.stderr[-3000:]
    run = published(Finished(done.returncode, json.loads(lines[-1]), lines, done.stderr, folder / "output"))
    events = "".join(file.read_text() for file in (folder / "events").rglob("*") if file.is_file())
    return Watched(run, b"\n".join(processes.seen).decode(errors="replace"), events, folder)


def everything_written(watched: Watched) -> Iterator[tuple[str, str]]:
    """Name and content of every file that the run has left; of Parquet the values, too, since those are compressed."""
    ours = {"spark.conf", "password"}
    for file in watched.folder.rglob("*"):
        if file.is_file() and file.name not in ours:
            yield str(file), file.read_bytes().decode(errors="replace")
            if file.suffix == ".parquet":
                yield str(file), str(pq.ParquetFile(file).read().to_pylist())


@pytest.mark.parametrize("place", CANARIES)
def test_a_secret_is_found_nowhere(watched: Watched, place: str) -> None:
    canary = CANARIES[place]

    assert canary not in watched.processes
    assert canary not in watched.events
    assert canary not in watched.run.errors
    assert not [line for line in watched.run.lines if canary in line]
    assert [name for name, content in everything_written(watched) if canary in content] == []


def test_what_is_no_secret_is_found_everywhere(watched: Watched) -> None:
    """Else the search above would find nothing either."""
    run_id = watched.run.summary["run_id"]
    found = [name for name, content in everything_written(watched) if run_id in content]

    assert any("/top_n/" in name and name.endswith(".parquet") for name in found)
    assert any("/summaries/" in name for name in found)
    assert any("/_delta_log/" in name for name in found)
    assert any(name.endswith("/recsys.prom") for name in found)
    assert f'"run_id": "{run_id}", "job": "nightly", "stage": null, "event": "ended"' in watched.run.errors
    assert "mine.yaml" in watched.processes
    assert "org.apache.spark.deploy.SparkSubmit" in watched.processes
    assert "pyspark.daemon" in watched.processes


def test_spark_has_got_the_secrets_and_masks_them(watched: Watched) -> None:
    first = next(line for line in watched.events.splitlines() if "SparkListenerEnvironmentUpdate" in line)
    environment = json.loads(first)
    shown = environment["Spark Properties"] | environment["Hadoop Properties"]

    for key in CANARIES:
        if key.startswith("spark."):
            assert "redacted" in shown[key]
    assert "redacted" in environment["Hadoop Properties"]["fs.azure.account.key.me.dfs.core.windows.net"]


def test_every_id_comes_back_to_the_letter(watched: Watched) -> None:
    ids = set(hostile.IDS)
    lists, ratings, items = (watched.run.table(name) for name in ("top_n", "ratings", "items"))
    columns = hostile.ratings()
    rated = set(zip(columns["user"], columns["item"], strict=True))

    assert set(lists.user_id) == set(watched.run.table("user_outcomes").user_id) == ids
    assert set(lists.item_id) <= ids
    assert set(zip(ratings.user_id, ratings.item_id, strict=True)) == rated
    assert len(ratings) == len(rated)
    assert set(watched.run.table("users").user_id) == set(items.item_id) == ids
    assert list(items.title) == list(items.item_id)
    assert [dict(attributes)["attribute"] for attributes in items.attributes] == list(items.item_id)
    assert not rated & set(zip(lists.user_id, lists.item_id, strict=True))
