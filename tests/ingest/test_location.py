"""Where sources lie, and how a changed source is told from an unchanged one."""

from __future__ import annotations

import os
from pathlib import Path

from recsys_spark.ingest.location import fingerprint, local_files, resolved


def test_the_sample_lies_in_the_installed_pyspark() -> None:
    assert Path(resolved("pyspark:data/mllib/als/sample_movielens_ratings.txt")).is_file()


def test_hidden_files_are_no_data_and_partitions_are(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "_SUCCESS", ".part.crc", "_delta_log/0.json", "day=_none/c.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")

    assert local_files(str(tmp_path)) == [tmp_path / name for name in ("a.csv", "b.csv", "day=_none/c.csv")]
    assert local_files(f"{tmp_path}/*.csv") == [tmp_path / "a.csv", tmp_path / "b.csv"]
    assert local_files(f"{tmp_path}/none.csv") == []
    assert local_files("s3a://bucket/ratings.csv") is None


def test_a_fingerprint_changes_with_content_size_or_time_and_with_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "ratings.csv"
    file.write_text("1,2,3\n")
    before = fingerprint(str(file))

    assert fingerprint(str(file)) == before
    os.utime(file, ns=(1, 1))
    assert fingerprint(str(file)) != before
    assert fingerprint("s3a://bucket/ratings.csv") is None


def test_a_delta_table_is_known_by_its_newest_commit(tmp_path: Path) -> None:
    (tmp_path / "_delta_log").mkdir()
    (tmp_path / "part-0.parquet").write_text("x")
    (tmp_path / "_delta_log" / "00.json").write_text("{}")
    before = fingerprint(str(tmp_path))

    (tmp_path / "part-1.parquet").write_text("a file that no commit names")
    assert fingerprint(str(tmp_path)) == before
    (tmp_path / "_delta_log" / "01.json").write_text("{}")
    assert fingerprint(str(tmp_path)) != before
