"""How `spark-submit.sh` comes by Delta's jars."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

from tests.launcher.project import PRINTS_ITS_START, Project, executable


class TestDeltaJars:
    def test_a_local_jar_that_is_not_there_is_named(self, project: Project) -> None:
        started = project.start("nightly", RECSYS_DELTA_JARS="no-such.jar")

        assert started.exit_code == 2
        assert started.summary["error"]["code"] == "delta_jars"
        assert "no-such.jar" in started.summary["error"]["message"]

    def test_fetched_jars_are_used_as_they_are(self, project: Project) -> None:
        fetched = put_fetched_jars(project)
        started = project.start("nightly", RECSYS_DELTA_JARS="")

        assert sorted(started.option("--jars").split(",")) == fetched

    def test_a_parquet_output_does_without_jars_that_are_not_there(self, project: Project) -> None:
        started = project.start("nightly", "--set", "output.format=parquet", RECSYS_DELTA_JARS="")

        assert started.exit_code == 0, started.stderr
        assert "--jars" not in started.lines

    def test_a_download_cut_short_is_not_taken_for_a_jar(self, project: Project, tmp_path: Path) -> None:
        python = environment_with_pyspark(project, tmp_path)
        cut_short = 'for last; do :; done; touch "$(dirname "$last")"/delta-{spark_4.2_2.13,storage}-4.4.0.jar'
        executable(project.folder / "bin/java", f"#!/bin/bash\n{cut_short}\n")
        (project.folder / "release").write_text('JAVA_VERSION="17"\n')
        started = project.start("nightly", RECSYS_DELTA_JARS="", RECSYS_PYTHON=str(python))

        assert started.exit_code == 1
        assert "could not be fetched" in started.summary["error"]["message"]
        assert "RECSYS_DELTA_JARS" in started.summary["error"]["hint"]
        assert "output.format=parquet" in started.summary["error"]["hint"]
        assert list((project.folder / ".cache/jars").iterdir()) == []

    def test_whole_downloads_are_kept_for_the_next_start(self, project: Project, tmp_path: Path) -> None:
        python = environment_with_pyspark(project, tmp_path)
        whole = tmp_path / "whole.jar"
        with zipfile.ZipFile(whole, "w") as jar:
            jar.writestr("a.class", "a")
        download = f"""for last; do :; done
echo fetched >&2
while [[ $1 != -dependency ]]; do shift; done
cp {whole} "$(dirname "$last")/$3-$4.jar"
echo once >> {tmp_path}/downloads"""
        executable(project.folder / "bin/java", f"#!/bin/bash\n{download}\n")
        (project.folder / "release").write_text('JAVA_VERSION="17"\n')
        first = project.start("nightly", RECSYS_DELTA_JARS="", RECSYS_PYTHON=str(python))
        second = project.start("nightly", RECSYS_DELTA_JARS="", RECSYS_PYTHON=str(python))

        assert first.exit_code == 0, first.stderr
        assert first.option("--jars") == second.option("--jars")
        assert (tmp_path / "downloads").read_text().count("once") == 2  # one for each of the two jars


def put_fetched_jars(project: Project) -> list[str]:
    folder = project.folder / ".cache/jars"
    folder.mkdir(parents=True)
    jars = [folder / "delta-spark_4.2_2.13-4.4.0.jar", folder / "delta-storage-4.4.0.jar"]
    for jar in jars:
        jar.touch()
    return [str(jar) for jar in jars]


def environment_with_pyspark(project: Project, tmp_path: Path) -> Path:
    """An environment whose pyspark consists of the two files that the script looks for."""
    pyspark = tmp_path / "env/lib/python3.11/site-packages/pyspark"
    executable(pyspark / "bin/spark-submit", PRINTS_ITS_START)
    (pyspark / "jars").mkdir()
    (pyspark / "jars/ivy-2.5.3.jar").touch()
    return executable(tmp_path / "env/bin/python", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
