"""Jobs over Spark Connect: the rows of a classic session, from a server that has never heard of this package."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.connect_server import connect_server
from tests.end_to_end.runs import HANGS, PROJECT, Finished, clean_environment, published, submit
from tests.scoring.on_master import N_ITEMS, N_USERS, plan_of


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server for all tests of this file."""
    folder = tmp_path_factory.mktemp("server")
    found = subprocess.run(
        [sys.executable, "-c", "import recsys_spark"], cwd=folder, env={}, capture_output=True, text=True, check=False
    )
    assert "No module named 'recsys_spark'" in found.stderr, "the server's Python must not hold the package"
    with connect_server(folder) as address:
        yield address


@pytest.fixture(scope="module")
def shipping(server: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of `over_connect.py`."""
    command = [sys.executable, str(PROJECT / "tests" / "scoring" / "over_connect.py")]
    environment = clean_environment() | {"SPARK_REMOTE": server, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [*command, str(tmp_path_factory.mktemp("session"))],
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


@pytest.mark.parametrize("layout", ["delta", pytest.param("parquet", marks=pytest.mark.slow)])
def test_a_night_over_connect_publishes_the_rows_of_a_classic_one(
    server: str, sample: Finished, tmp_path: Path, layout: str
) -> None:
    other = published(
        submit(
            *("--remote", server, "--conf", "spark.sql.shuffle.partitions=5", "nightly"),
            *("--set", f"output.format={layout}"),
            cwd=tmp_path,
            output=tmp_path / "output",
        )
    )

    pd.testing.assert_frame_equal(other.rows(), sample.rows())
    assert other.summary["counts"] == sample.summary["counts"]
    assert other.summary["metrics"] == sample.summary["metrics"]


class TestShipping:
    def test_the_session_knows_what_it_is_and_how_many_tasks_it_runs(self, shipping: dict[str, Any]) -> None:
        assert (shipping["is_connect"], shipping["cores"]) == (True, 2)

    def test_the_session_has_our_settings_beside_the_servers_own(self, shipping: dict[str, Any]) -> None:
        assert shipping["settings"] == {
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.shuffle.partitions": "4",
            "spark.sql.codegen.wholeStage": "false",
        }

    def test_a_table_without_rows_keeps_its_types(self, shipping: dict[str, Any]) -> None:
        assert shipping["empty"] == [["id", "int"]]

    def test_workers_import_the_package_that_the_session_has_sent(self, shipping: dict[str, Any]) -> None:
        assert len(shipping["workers"]) == 8
        for facts in shipping["workers"]:
            assert "/recsys_spark.zip/" in facts["package"]

    def test_values_arrive_whole_aligned_and_read_only(self, shipping: dict[str, Any]) -> None:
        for facts in shipping["workers"]:
            assert (facts["same"], facts["read_only"], facts["begins"], facts["small"]) == (True, True, [0, 0], 45)

    def test_all_workers_of_a_node_map_one_file(self, shipping: dict[str, Any]) -> None:
        assert len({facts["worker"] for facts in shipping["workers"]}) > 1
        assert len({(facts["file"], facts["inode"]) for facts in shipping["workers"]}) == 1

    def test_a_worker_keeps_what_a_value_has_cached_from_task_to_task(self, shipping: dict[str, Any]) -> None:
        found = [(facts["worker"], *facts["names"]) for facts in shipping["workers"]]
        workers = {worker for worker, *_ in found}
        assert len(workers) < len(found)
        assert len(set(found)) == len(workers)

    def test_progress_counts_tasks(self, shipping: dict[str, Any]) -> None:
        assert shipping["progress"]
        for line in shipping["progress"]:
            assert re.fullmatch(r"[1-4] of 4 tasks, about \d+ s left", line)

    def test_what_needs_a_jvm_is_refused_by_its_key_and_without_its_secrets(self, shipping: dict[str, Any]) -> None:
        assert [subject for subject, _ in shipping["refused"]] == ["output.path", "serve.url"]
        assert not any("canary" in text for _, text in shipping["refused"])

    def test_the_lists_are_those_of_a_sort(self, shipping: dict[str, Any]) -> None:
        plan = plan_of()
        of_user = np.arange(0, N_USERS, 97)
        scores = np.stack([plan.scorer.score(np.full(N_ITEMS, u, np.int32), plan.candidates) for u in of_user])
        scores[np.arange(len(of_user)), of_user % N_ITEMS] = -np.inf
        best = np.argsort(-scores, axis=1, kind="stable")[:, :3]

        assert shipping["users"] == N_USERS
        np.testing.assert_array_equal(np.array(shipping["items"]).reshape(N_USERS, 3)[of_user], best)
