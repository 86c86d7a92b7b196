"""What `spark-submit.sh` ships to executors."""

from __future__ import annotations

import os
import zipfile

from tests.launcher.project import Project


class TestPackage:
    def test_executors_get_the_sources_and_nothing_else(self, project: Project) -> None:
        cache = project.folder / "recsys_spark/__pycache__"
        cache.mkdir()
        (cache / "x.cpython-311.pyc").touch()
        project.start("nightly")

        with zipfile.ZipFile(project.packages()[0]) as package:
            assert package.namelist() == ["recsys_spark/__init__.py", "recsys_spark/kernels/dot.py"]
            assert package.read("recsys_spark/kernels/dot.py") == b"score = 1"

    def test_the_package_is_made_anew_only_if_a_source_changed(self, project: Project) -> None:
        project.start("nightly")
        (made,) = project.packages()
        stamp = made.stat().st_mtime_ns
        source = project.folder / "recsys_spark/kernels/dot.py"
        source.touch()
        (project.folder / "recsys_spark/__pycache__").mkdir()
        project.start("nightly")
        assert [(file, file.stat().st_mtime_ns) for file in project.packages()] == [(made, stamp)]

        source.write_text("score = 2")
        started = project.start("nightly")
        with zipfile.ZipFile(started.option("--py-files")) as package:
            assert package.read("recsys_spark/kernels/dot.py") == b"score = 2"

    def test_a_source_that_went_is_not_shipped(self, project: Project) -> None:
        project.start("nightly")
        (project.folder / "recsys_spark/kernels/dot.py").unlink()
        started = project.start("nightly")

        with zipfile.ZipFile(started.option("--py-files")) as package:
            assert package.namelist() == ["recsys_spark/__init__.py"]

    def test_the_same_sources_give_the_same_bytes(self, project: Project) -> None:
        project.start("nightly")
        (package,) = project.packages()
        first = package.read_bytes()
        package.unlink()
        os.utime(project.folder / "recsys_spark/__init__.py", (1_000_000_000, 1_000_000_000))
        project.start("nightly")

        assert package.read_bytes() == first
