"""What `spark-submit.sh` ships to executors."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import pytest

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


class TestLauncher:
    """A folder that `make package` has made: with a wheel, without the sources."""

    @pytest.fixture
    def wheel(self, project: Project) -> Path:
        wheel = project.folder / "recsys_spark-1.2.3-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as package:
            package.writestr("recsys_spark/__init__.py", "")
        shutil.rmtree(project.folder / "recsys_spark")
        return wheel

    def test_executors_get_the_wheel_under_a_name_that_spark_imports_from(self, project: Project, wheel: Path) -> None:
        shipped = Path(project.start("nightly").option("--py-files"))

        assert shipped.suffix == ".zip"
        assert shipped.read_bytes() == wheel.read_bytes()

    def test_a_dry_run_imports_from_the_wheel(self, project: Project, wheel: Path) -> None:
        assert project.start("nightly", "--dry-run").lines == ["ran --dry-run"]

    @pytest.mark.parametrize("options", [(), ("--dry-run",)])
    def test_without_wheel_and_sources_it_says_so(
        self, project: Project, wheel: Path, options: tuple[str, ...]
    ) -> None:
        wheel.unlink()
        started = project.start("nightly", *options)

        assert started.exit_code == 1
        assert started.summary["error"]["code"] == "package"
