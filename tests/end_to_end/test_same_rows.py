"""The same ratings give the same rows: on one core, on two, on separate executors, from other files and partitions."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from tests.end_to_end.runs import PROJECT, Finished, published, remove_cluster_folders, submit


def test_one_core_one_partition_and_shuffled_files_give_the_same_rows(
    sample: Finished, sample_file: Path, tmp_path: Path
) -> None:
    lines = sample_file.read_text().splitlines()
    random.Random(7).shuffle(lines)
    (tmp_path / "ratings").mkdir()
    for number in range(3):
        (tmp_path / "ratings" / f"{2 - number}.txt").write_text("\n".join(lines[number::3]) + "\n")
    spark = ("--master", "local[1]", "--conf", "spark.sql.shuffle.partitions=1")
    options = ("--set", f"source.path={tmp_path}/ratings", "--set", "output.format=parquet")

    other = published(submit(*spark, "nightly", *options, cwd=tmp_path, output=tmp_path / "output"))

    pd.testing.assert_frame_equal(other.rows(), sample.rows())
    assert other.summary["model_id"] == sample.summary["model_id"]


@pytest.mark.cluster
def test_executors_without_our_package_give_the_same_rows(sample: Finished, tmp_path: Path) -> None:
    environment = PROJECT / ".venv" / "bin" / "python"
    found = subprocess.run(
        [environment, "-c", "import recsys_spark"], cwd=tmp_path, env={}, capture_output=True, text=True, check=False
    )
    assert "No module named 'recsys_spark'" in found.stderr, "the environment must not hold the package"
    spark = ("--master", "local-cluster[2,1,1024]", "--conf", "spark.sql.shuffle.partitions=7")

    try:
        other = published(submit(*spark, "nightly", cwd=tmp_path, output=tmp_path / "output"))
    finally:
        remove_cluster_folders()

    pd.testing.assert_frame_equal(other.rows(), sample.rows())
