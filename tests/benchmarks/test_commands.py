"""The benchmarks run, at sizes that say nothing about speed, and write the figures that the pages are made of.

Each runs as a command, since it pins itself to one core.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys_spark.kernels.cpu import byte_lanes
from tests.conftest import PROJECT


def run(script: str, *options: str, out: Path) -> tuple[dict[str, Any], str]:
    """The figures that a benchmark writes, and what it tells meanwhile."""
    command = [sys.executable, str(PROJECT / "benchmarks" / script), "--out", str(out), *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=out.parent, timeout=600, env=os.environ)
    assert done.returncode == 0, done.stderr[-3000:]
    figures = json.loads(out.read_text())
    assert json.loads(done.stdout.splitlines()[-1]) == figures, "the last line is one JSON object"
    return figures, done.stderr


def test_growth_tells_each_kernel_at_each_point_of_an_axis(tmp_path: Path) -> None:
    figures, _ = run(
        "growth.py", "--axes", "segments", "variants", "k", "--scale", "0.02", "--rounds", "1", out=tmp_path / "g.json"
    )
    axes = figures["axes"]
    assert [row["at"] for row in axes["segments"]["dot"]] == [0, 10, 1000]
    assert [row["at"] for row in axes["variants"]["layers 128, 32"]] == [1, 2, 6, 19]
    assert [row["at"] for row in axes["k"]["sgemm"]] == [8, 16, 32, 64, 128, 256]
    assert all(row["seconds"] > 0 for axis in axes.values() for rows in axis.values() for row in rows)


def test_growth_tells_users_and_items_as_they_were_scored(tmp_path: Path) -> None:
    figures, _ = run("growth.py", "--axes", "items", "--scale", "0.02", "--rounds", "1", out=tmp_path / "g.json")
    rows = figures["axes"]["items"]["dot"]
    assert [row["at"] for row in rows] == [row["items"] for row in rows] == [300, 300, 300, 600, 2_000, 6_000]
    assert all(row["set_up"] > 0 for row in rows)


@pytest.mark.skipif(not byte_lanes(), reason="this CPU has no 8-bit dot products (VNNI)")
def test_no_kernel_does_more_than_the_peak_of_its_instructions(tmp_path: Path) -> None:
    figures, _ = run("roofline.py", "--rounds", "1", out=tmp_path / "r.json")
    assert set(figures["kernels"]) == {"dot", "dot, plain", "one layer", "layers 128, 32", "sgemm"}
    for name in ("dot", "one layer", "layers 128, 32"):
        assert 0 < figures["kernels"][name]["share"] < 1.5, name  # with room for what else runs on the machine


def movielens_100k(folder: Path) -> Path:
    """Ratings of 70 users and 300 items in the layout of that set."""
    (folder / "ml-100k").mkdir()
    random = np.random.default_rng(0)
    pairs = random.permutation(70 * 300)[:4_000]
    lines = [f"{pair // 300 + 1}\t{pair % 300 + 1}\t{1 + pair % 5}\t0\n" for pair in pairs]
    with gzip.open(folder / "ml-100k" / "u.data.gz", "wt") as file:
        file.writelines(lines)
    return folder


@pytest.mark.slow
def test_sizes_tells_all_users_of_a_data_set_and_names_those_that_are_missing(tmp_path: Path) -> None:
    data = movielens_100k(tmp_path)
    options = ["--data", str(data), "--rounds", "1", "--epochs", "1", "--only", "MovieLens 100K", "goodbooks-10k"]
    figures, told = run("sizes.py", *options, out=tmp_path / "s.json")
    assert "NOT RUN: goodbooks-10k: there is no" in told
    assert set(figures["cases"]) == {"MovieLens 100K, dot 64", "MovieLens 100K, layers 1024"}
    for case in figures["cases"].values():
        assert (case["users"], case["items"]) == (70, 300)
        assert case["seconds"] == pytest.approx(70 * 300 / case["ours"])


@pytest.mark.slow
def test_job_sizes_tells_all_and_half_of_users_and_items_and_a_longer_list(tmp_path: Path) -> None:
    figures, _ = run("job_sizes.py", "--ratings", "100000", "--rank", "8", "--rounds", "1", out=tmp_path / "j.json")
    sizes = [(row["users"], row["items"], row["n"]) for row in figures["runs"]]
    assert sizes == [(692, 1_891, 10), (346, 1_891, 10), (692, 946, 10), (692, 1_891, 20)]
    assert all(row["warm"] > 0 for row in figures["runs"])
