"""The wheel holds all that a job needs, and a Python that has it can start one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from recsys_spark import __version__
from tests.conftest import PROJECT

SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "recsys_spark", "jobs", "conf")
JOBS = sorted(file.stem for file in (PROJECT / "jobs").glob("[a-z]*.py"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel has been installed, without its dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    (folder / "sources").mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy
        copy(PROJECT / name, folder / "sources" / name)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    made = subprocess.run(
        [*pip, "wheel", "--no-deps", "--wheel-dir", folder, folder / "sources"],
        capture_output=True,
        text=True,
        check=False,
    )
    if "No matching distribution found for setuptools" in made.stderr:
        pytest.skip("no package index within reach, from which pip would take setuptools")
    assert made.returncode == 0, made.stderr
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", folder / "site", wheel], check=True)
    return folder / "site"


def installed(site: Path, *arguments: str, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """What a Python gave that has the installed package and, from this environment, its dependencies."""
    # what another test's Spark in this process was told is none of theirs
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
    return subprocess.run(
        [sys.executable, *arguments],
        env={**kept, "PYTHONPATH": str(site)},
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def files_under(folder: Path, *, beside: Path) -> set[Path]:
    return {file.relative_to(beside) for file in folder.rglob("*") if file.is_file() and file.suffix != ".pyc"}


class TestWheel:
    def test_a_dry_run_needs_nothing_but_the_wheel(self, site: Path, tmp_path: Path) -> None:
        done = installed(site, str(site / "bin/recsys-job"), "nightly", "--dry-run", cwd=tmp_path)

        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["status"] == "dry_run"
        assert f"output: delta in {tmp_path}/output" in done.stderr, "conf/base.yaml is that of the wheel"

    def test_every_file_of_the_package_is_in_it(self, site: Path) -> None:
        package = site / "recsys_spark"
        found = files_under(package, beside=package)
        sources = files_under(PROJECT / "recsys_spark", beside=PROJECT / "recsys_spark")
        jobs = files_under(PROJECT / "jobs", beside=PROJECT)
        configurations = {Path("conf") / file.name for file in (PROJECT / "conf").iterdir() if file.is_file()}

        assert found == sources | jobs | configurations
        assert {Path("py.typed"), Path("conf/base.yaml"), Path("report/assets/report.css")} <= found

    def test_nothing_lies_beside_the_package(self, site: Path) -> None:
        """`jobs` and `conf` are names that others may have."""
        about = f"recsys_spark-{__version__}.dist-info"

        assert {path.name for path in site.iterdir()} == {"bin", "recsys_spark", about}

    def test_each_job_is_an_entry_point_that_can_be_loaded(self, site: Path, tmp_path: Path) -> None:
        (package,) = distributions(path=[str(site)])
        entry_points = package.entry_points.select(group="recsys_spark.jobs")

        assert sorted(point.name for point in entry_points) == JOBS
        loads = "from importlib.metadata import entry_points as all\nfor p in all(group='recsys_spark.jobs'): p.load()"
        assert installed(site, "-c", loads, cwd=tmp_path).stderr == ""

    def test_the_licence_and_the_version_are_told(self, site: Path) -> None:
        (package,) = distributions(path=[str(site)])

        assert package.version == __version__
        assert package.metadata["License-Expression"] == "Apache-2.0"
        assert (site / f"recsys_spark-{__version__}.dist-info/licenses/LICENSE").is_file()

    def test_a_job_that_does_not_exist_is_refused_with_a_summary(self, site: Path, tmp_path: Path) -> None:
        done = installed(site, str(site / "bin/recsys-job"), "nigthly", cwd=tmp_path)

        assert done.returncode == 2
        assert json.loads(done.stdout)["status"] == "invalid"
        assert "found 'nigthly'" in done.stderr

    def test_a_job_that_fails_ends_the_process_of_whoever_calls_its_entry_point(
        self, site: Path, tmp_path: Path
    ) -> None:
        calls = "import sys; sys.argv = ['x', '--set', 'no.key=1']; from recsys_spark.jobs.runs import main; main()"

        assert installed(site, "-c", calls, cwd=tmp_path).returncode == 2

    def test_a_look_up_finds_the_base_configuration(self, site: Path, tmp_path: Path) -> None:
        (tmp_path / "shop.yaml").write_text("output: {path: elsewhere}")
        found = "from pathlib import Path; from recsys_spark.cli import _configured as of; "
        done = installed(site, "-c", f"{found}print(of([]), of([Path('shop.yaml')]))", cwd=tmp_path)

        assert done.stdout.split() == ["output", "elsewhere"], done.stderr

    @pytest.mark.parametrize(("given", "is_ours"), [("", True), ("-Dlog4j2.configurationFile=mine", False)])
    def test_a_spark_that_it_starts_logs_as_in_a_checkout(
        self, site: Path, tmp_path: Path, given: str, is_ours: bool
    ) -> None:
        started = "from recsys_spark.jobs.runs import main; main()"
        code = "import os, sys, atexit; sys.argv = ['x', '--help']; os.environ['SPARK_SUBMIT_OPTS'] = sys.stdin.read()"
        shown = "atexit.register(lambda: print(os.environ['SPARK_SUBMIT_OPTS']))"
        done = installed(site, "-c", f"{code}; {shown}; {started}", cwd=tmp_path, stdin=given)

        ours = f"-Dlog4j2.configurationFile=file://{site}/recsys_spark/conf/log4j2.properties"
        assert done.stdout.splitlines()[-1] == (ours if is_ours else given)
