"""How `spark-submit.sh` makes its virtual environment."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.launcher.project import Project, executable, path_without


class TestSetUp:
    """These make real virtual environments, of no packages or of tiny ones made here."""

    def test_the_first_start_makes_the_environment_and_the_second_leaves_it(self, project: Project) -> None:
        first = project.start("nightly", RECSYS_PYTHON="", RECSYS_BOOTSTRAP_PYTHON=sys.executable)
        second = project.start("nightly", RECSYS_PYTHON="", RECSYS_BOOTSTRAP_PYTHON="/no/python")

        assert "making the environment .venv" in first.stderr
        assert first.environment("PYSPARK_PYTHON") == f"{project.folder}/.venv/bin/python"
        assert second.exit_code == 0
        assert second.stderr == ""

    @pytest.mark.slow
    def test_a_set_up_that_broke_off_is_an_error_and_made_anew_by_the_next_start(self, project: Project) -> None:
        arguments = {"RECSYS_PYTHON": "", "RECSYS_BOOTSTRAP_PYTHON": sys.executable}
        failed = project.start("nightly", RECSYS_EXTRAS="docs", **arguments)
        left_behind = project.folder / ".venv/half-a-package"
        left_behind.touch()
        mended = project.start("nightly", **arguments)

        assert failed.exit_code == 1
        assert failed.summary["error"]["code"] == "setup"
        assert "no-such-package" in failed.stderr
        assert mended.exit_code == 0, mended.stderr
        assert "made anew" in mended.stderr
        assert not left_behind.exists()

    @pytest.mark.slow
    @pytest.mark.parametrize("extra", ["docs", "no-such-extra"])
    def test_a_whole_environment_outlives_an_extra_that_cannot_be_installed(self, project: Project, extra: str) -> None:
        arguments = {"RECSYS_PYTHON": "", "RECSYS_BOOTSTRAP_PYTHON": sys.executable}
        project.start("--setup", **arguments)
        refused = project.start("nightly", RECSYS_EXTRAS=extra, **arguments)
        again = project.start("nightly", **arguments)

        assert refused.exit_code != 0
        assert again.exit_code == 0
        assert again.stderr == ""

    @pytest.mark.parametrize("missing", [(), pytest.param(("flock",), marks=pytest.mark.slow)])
    def test_two_starts_at_once_set_up_once(self, project: Project, tmp_path: Path, missing: Sequence[str]) -> None:
        path = f"{project.folder}/bin:{path_without(tmp_path, *missing)}"
        environment = {**project.environment, "PATH": path, "RECSYS_BOOTSTRAP_PYTHON": sys.executable}
        del environment["RECSYS_PYTHON"]
        starts = [
            subprocess.Popen(
                [project.folder / "spark-submit.sh", "nightly"],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        told = [start.communicate(timeout=120)[1] for start in starts]

        assert [start.returncode for start in starts] == [0, 0], told
        assert sum("installing the packages" in text for text in told) == 1

    @pytest.mark.slow
    def test_the_lock_of_a_dead_start_holds_nobody_up(self, project: Project, tmp_path: Path) -> None:
        dead = subprocess.Popen(["true"])
        dead.wait()
        lock = project.folder / ".cache/setup.lock.d"
        lock.mkdir(parents=True)
        (lock / "pid").write_text(f"{dead.pid}\n")
        path = f"{project.folder}/bin:{path_without(tmp_path, 'flock')}"
        started = project.start("--setup", PATH=path, RECSYS_PYTHON="", RECSYS_BOOTSTRAP_PYTHON=sys.executable)

        assert started.exit_code == 0, started.stderr
        assert not lock.exists()

    def test_extras_once_installed_stay_wanted(self, project: Project) -> None:
        arguments = {"RECSYS_PYTHON": "", "RECSYS_BOOTSTRAP_PYTHON": sys.executable}
        project.start("--setup", "dev", **arguments)
        without = project.start("--setup", **arguments)
        (project.folder / "constraints.txt").write_text("six==1.0\n")
        changed = project.start("--setup", **arguments)

        assert without.stderr == ""
        assert "with dev" in changed.stderr

    def test_an_unknown_extra_is_wrong_usage(self, project: Project) -> None:
        started = project.start("--setup", "dve", RECSYS_PYTHON="", RECSYS_BOOTSTRAP_PYTHON=sys.executable)

        assert started.exit_code == 2
        assert "no extra dve in pyproject.toml, which has: dev, docs" in started.stderr

    @pytest.mark.slow
    def test_the_gpu_extra_replaces_the_cpu_build_of_tensorflow(self, project: Project, tmp_path: Path) -> None:
        (project.folder / "pyproject.toml").write_text(
            '[project]\ndependencies = ["tensorflow-cpu>=2"]\noptional-dependencies = { gpu = ["tensorflow>=2"] }'
        )
        wheels = tmp_path / "wheels"
        wheels.mkdir()
        write_wheel(wheels, "tensorflow_cpu", "build = 'cpu'")
        write_wheel(wheels, "tensorflow", "build = 'gpu'")
        arguments = {
            "RECSYS_PYTHON": "",
            "RECSYS_BOOTSTRAP_PYTHON": sys.executable,
            "PIP_FIND_LINKS": str(wheels),
        }
        installed = project.folder / ".venv/lib" / f"python3.{sys.version_info.minor}" / "site-packages"

        assert project.start("--setup", **arguments).exit_code == 0
        assert (installed / "tensorflow/__init__.py").read_text() == "build = 'cpu'"
        assert project.start("--setup", "gpu", **arguments).exit_code == 0
        assert (installed / "tensorflow/__init__.py").read_text() == "build = 'gpu'"
        assert sorted(path.name for path in installed.glob("tensorflow*")) == ["tensorflow", "tensorflow-2.0.dist-info"]

    def test_no_python_that_fits_is_told_with_what_installs_one(self, project: Project) -> None:
        old = executable(project.folder / "bin/old-python", "#!/bin/sh\nexit 1\n")
        started = project.start("nightly", RECSYS_PYTHON="", RECSYS_BOOTSTRAP_PYTHON=str(old))

        assert started.exit_code == 1
        assert started.stderr.count("\n") == 1
        assert started.summary["error"]["code"] == "python"
        assert not (project.folder / ".venv").exists()


def write_wheel(folder: Path, distribution: str, source: str) -> None:
    """A wheel of one file, `tensorflow/__init__.py`, which both distributions own."""
    information = f"{distribution}-2.0.dist-info"
    files = {
        "tensorflow/__init__.py": source,
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.0\n",
        f"{information}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{information}/RECORD"])
    with zipfile.ZipFile(folder / f"{distribution}-2.0-py3-none-any.whl", "w") as wheel:
        for name, text in {**files, f"{information}/RECORD": record}.items():
            wheel.writestr(name, text)
