"""`spark-submit.sh`, on small projects made for each test: nothing is downloaded and no Spark is started."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]

PRINTS_ITS_START = """\
#!/bin/bash
printf '%s\\n' "$@"
for name in PYSPARK_PYTHON PYSPARK_DRIVER_PYTHON SPARK_LOCAL_IP SPARK_SUBMIT_OPTS NUMBA_CACHE_DIR; do
    printf '%s=%s\\n' "$name" "${!name-}"
done
"""


@dataclass(frozen=True)
class Started:
    """What a start of the script gave."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[str]:
        return self.stdout.splitlines()

    @property
    def summary(self) -> dict[str, Any]:
        """The last line on stdout."""
        summary: dict[str, Any] = json.loads(self.lines[-1])
        return summary

    def option(self, name: str) -> str:
        """The value of an option of spark-submit, which must be there once."""
        assert self.lines.count(name) == 1, self.stdout
        return self.lines[self.lines.index(name) + 1]

    def environment(self, name: str) -> str:
        return next(line for line in self.lines if line.startswith(f"{name}=")).partition("=")[2]


@dataclass(frozen=True)
class Project:
    """A project with the real script, a package of one file and two jobs."""

    folder: Path
    environment: Mapping[str, str]

    def start(self, *arguments: str, **environment: str) -> Started:
        """Run the script; a variable that is given empty counts as unset."""
        done = subprocess.run(
            [self.folder / "spark-submit.sh", *arguments],
            env={name: value for name, value in {**self.environment, **environment}.items() if value},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Started(done.returncode, done.stdout, done.stderr)

    def packages(self) -> list[Path]:
        return sorted((self.folder / ".cache").glob("recsys_spark-*.zip*"))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Everything is given, so that nothing is left to set up: a Python, Delta's jars, a Java and a spark-submit."""
    folder = tmp_path / "a project"
    for name, text in {
        "jobs/nightly.py": "import sys, recsys_spark; print('ran', *sys.argv[1:])",
        "jobs/train.py": "",
        "jobs/__init__.py": "",
        "recsys_spark/__init__.py": "",
        "recsys_spark/kernels/dot.py": "score = 1",
        "conf/log4j2.properties": "",
        "pyproject.toml": "[project]\ndependencies = []\n"
        'optional-dependencies = { dev = [], docs = ["no-such-package"] }',
        "constraints.txt": "",
        "delta-spark.jar": "",
        "delta-storage.jar": "",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    shutil.copy(ROOT / "spark-submit.sh", folder)
    executable(folder / "spark-submit-stub", PRINTS_ITS_START)
    java = executable(folder / "bin/java", "#!/bin/sh\necho 'openjdk version \"17.0.9\" 2023-10-17' >&2\n")
    return Project(
        folder,
        {
            "PATH": f"{java.parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "PIP_NO_INDEX": "1",
            "RECSYS_PYTHON": sys.executable,
            "RECSYS_SPARK_SUBMIT": str(folder / "spark-submit-stub"),
            "RECSYS_DELTA_JARS": f"{folder}/delta-spark.jar,{folder}/delta-storage.jar",
        },
    )


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def path_without(tmp_path: Path, *missing: str) -> str:
    """A PATH with the commands of this system but those."""
    folder = tmp_path / "commands"
    folder.mkdir()
    for commands in ("/bin", "/usr/bin"):
        for command in Path(commands).iterdir():
            if command.name not in missing and not (folder / command.name).exists():
                (folder / command.name).symlink_to(command)
    return str(folder)


class TestStart:
    def test_spark_gets_its_options_then_the_job_then_the_jobs_options(self, project: Project) -> None:
        started = project.start("--master", "yarn", "--verbose", "--conf", "a=b c", "nightly", "--set", "x=1 2")

        assert started.exit_code == 0, started.stderr
        job = started.lines.index(f"{project.folder}/jobs/nightly.py")
        assert started.lines[:job][-5:] == ["--master", "yarn", "--verbose", "--conf", "a=b c"]
        assert started.lines[job + 1 : job + 3] == ["--set", "x=1 2"]

    def test_the_working_directory_does_not_matter(self, project: Project, tmp_path: Path) -> None:
        link = tmp_path / "link"
        link.symlink_to(project.folder / "spark-submit.sh")
        done = subprocess.run([link, "train"], env=project.environment, cwd="/", capture_output=True, text=True)

        assert f"{project.folder}/jobs/train.py" in done.stdout.splitlines()

    def test_the_job_is_the_first_token_that_is_no_options_value(self, project: Project) -> None:
        started = project.start("--name", "train", "nightly", "train")

        assert f"{project.folder}/jobs/nightly.py" in started.lines
        assert f"{project.folder}/jobs/train.py" not in started.lines

    def test_jars_of_every_spelling_are_merged_with_deltas(self, project: Project) -> None:
        options = ["--jars", "a.jar,b.jar", "--jars=c.jar", "--conf", "spark.jars=d.jar"]
        started = project.start(*options, "nightly")

        delta = f"{project.folder}/delta-spark.jar,{project.folder}/delta-storage.jar"
        assert started.option("--jars") == f"{delta},a.jar,b.jar,c.jar,d.jar"
        assert "--conf" not in started.lines

    def test_packages_are_merged(self, project: Project) -> None:
        started = project.start("--packages", "a:b:1", "--packages=c:d:2", "nightly")

        assert started.option("--packages") == "a:b:1,c:d:2"

    def test_python_files_are_merged_with_our_package(self, project: Project) -> None:
        started = project.start("--py-files", "mine.py", "--conf", "spark.submit.pyFiles=yours.zip", "nightly")

        assert started.option("--py-files") == f"{project.packages()[0]},mine.py,yours.zip"

    def test_a_delta_that_the_user_brings_is_not_joined_by_ours(self, project: Project) -> None:
        started = project.start("--packages", "io.delta:delta-spark_4.2_2.13:4.4.0", "nightly", RECSYS_DELTA_JARS="")

        assert started.exit_code == 0, started.stderr
        assert "--jars" not in started.lines

    def test_driver_and_executors_use_the_python_of_the_environment(self, project: Project) -> None:
        started = project.start("nightly", PYSPARK_PYTHON="python2")

        assert started.environment("PYSPARK_PYTHON") == sys.executable
        assert started.environment("PYSPARK_DRIVER_PYTHON") == sys.executable

    @pytest.mark.parametrize(
        "options", [(), ("--master", "local[2]"), ("--conf", "spark.master=local-cluster[1,1,512]")]
    )
    def test_a_local_spark_gets_memory_and_the_loopback_address(self, project: Project, options: Sequence[str]) -> None:
        started = project.start(*options, "nightly")

        assert started.option("--driver-memory") == "2g"
        assert started.environment("SPARK_LOCAL_IP") == "127.0.0.1"

    @pytest.mark.parametrize("options", [("--master=yarn",), ("--properties-file", "mine.conf")])
    def test_a_cluster_keeps_its_own_memory_and_address(self, project: Project, options: Sequence[str]) -> None:
        started = project.start(*options, "nightly")

        assert "--driver-memory" not in started.lines
        assert started.environment("SPARK_LOCAL_IP") == ""

    @pytest.mark.parametrize("options", [("--driver-memory", "5g"), ("--conf", "spark.driver.memory=5g")])
    def test_memory_that_the_user_gives_stays(self, project: Project, options: Sequence[str]) -> None:
        started = project.start(*options, "nightly")

        assert "2g" not in started.lines
        assert set(options) <= set(started.lines)

    def test_our_logging_joins_the_users_java_options(self, project: Project) -> None:
        started = project.start("nightly", SPARK_SUBMIT_OPTS="-Da=b")

        configuration = f"{project.folder}/conf/log4j2.properties".replace(" ", "%20")
        assert started.environment("SPARK_SUBMIT_OPTS") == f"-Da=b -Dlog4j2.configurationFile=file:{configuration}"

    def test_logging_that_the_user_configures_stays(self, project: Project) -> None:
        by_option = project.start("--driver-java-options", "-Dlog4j2.configurationFile=my.xml", "nightly")
        by_variable = project.start("nightly", SPARK_SUBMIT_OPTS="-Dlog4j2.configurationFile=my.xml")

        assert by_option.environment("SPARK_SUBMIT_OPTS") == ""
        assert by_variable.environment("SPARK_SUBMIT_OPTS") == "-Dlog4j2.configurationFile=my.xml"

    def test_kernels_are_cached_in_the_project_unless_the_user_says_where(self, project: Project) -> None:
        assert project.start("nightly").environment("NUMBA_CACHE_DIR") == f"{project.folder}/.cache/numba"
        assert project.start("nightly", NUMBA_CACHE_DIR="/n").environment("NUMBA_CACHE_DIR") == "/n"

    def test_the_exit_code_is_that_of_spark(self, project: Project) -> None:
        executable(project.folder / "spark-submit-stub", "#!/bin/sh\nexit 3\n")

        assert project.start("nightly").exit_code == 3

    def test_a_warm_start_adds_at_most_three_tenths_of_a_second(self, project: Project) -> None:
        project.start("nightly")
        seconds = []
        for _ in range(5):
            begin = time.perf_counter()
            project.start("nightly")
            seconds.append(time.perf_counter() - begin)

        assert min(seconds) < 0.3


class TestUsage:
    @pytest.mark.parametrize("arguments", [(), ("--master", "local[1]"), ("--jars",), ("nigthly",), ("../jobs/train",)])
    def test_a_missing_or_unknown_job_is_answered_with_the_usage(
        self, project: Project, arguments: Sequence[str]
    ) -> None:
        started = project.start(*arguments)

        assert started.exit_code == 2
        assert "JOB is one of: nightly, train\n" in started.stderr
        assert len(started.lines) == 1
        assert started.summary["run_id"] is None
        assert started.summary["status"] == "invalid"
        assert started.summary["error"]["code"] == "usage"

    def test_the_summary_has_the_same_keys_as_that_of_a_job(self, project: Project) -> None:
        keys = ["run_id", "as_of", "status", "tables", "counts", "metrics", "warnings", "seconds", "model_id", "error"]

        assert list(project.start("no-such-job").summary) == keys

    def test_an_unknown_job_is_quoted_whatever_it_holds(self, project: Project) -> None:
        started = project.start('a"b\\c\nd\te')

        assert started.summary["error"]["message"] == "there is no job 'a\"b\\c d e'"

    @pytest.mark.parametrize("option", ["--dry-run", "--set", "--config=x.yaml", "--as-of"])
    def test_an_option_of_the_job_before_it_is_told_to_stand_after(self, project: Project, option: str) -> None:
        started = project.start(option, "nightly")

        assert started.exit_code == 2
        assert "stands before it. Write it after JOB." in started.stderr

    def test_help_goes_to_stdout_and_names_the_jobs(self, project: Project) -> None:
        started = project.start("--help")

        assert started.exit_code == 0
        assert "JOB is one of: nightly, train\n" in started.stdout


class TestJava:
    def test_without_java_one_line_says_what_installs_it(self, project: Project, tmp_path: Path) -> None:
        started = project.start("nightly", PATH=path_without(tmp_path, "java"), JAVA_HOME="")

        assert started.exit_code == 1
        assert started.stderr.count("\n") == 1
        assert "there is none. Install it with: " in started.stderr
        assert started.summary["status"] == "failed"
        assert started.summary["error"]["code"] == "java"

    def test_the_command_is_that_of_the_machines_package_manager(self, project: Project, tmp_path: Path) -> None:
        path = tmp_path / "fedora"
        executable(path / "dnf", "#!/bin/sh\n")
        for command in ("bash", "dirname", "readlink", "sed", "tr", "sudo"):
            (path / command).symlink_to(shutil.which(command) or "/bin/true")
        started = project.start("nightly", PATH=str(path))

        assert "dnf install -y java-21-openjdk-headless" in started.summary["error"]["hint"]

    @pytest.mark.parametrize(("version", "major"), [("11.0.2", 11), ("1.8.0_402", 8)])
    def test_an_old_java_is_named(self, project: Project, version: str, major: int) -> None:
        executable(project.folder / "bin/java", f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
        started = project.start("nightly")

        assert started.exit_code == 1
        assert f"is Java {major}. " in started.stderr

    def test_the_version_is_read_without_starting_java(self, project: Project, tmp_path: Path) -> None:
        java_home = tmp_path / "jdk"
        executable(java_home / "bin/java", "#!/bin/sh\nexit 1\n")
        (java_home / "release").write_text('IMPLEMENTOR="x"\nJAVA_VERSION="21.0.1"\n')

        assert project.start("nightly", JAVA_HOME=str(java_home)).exit_code == 0

    def test_a_java_home_without_java_is_an_error_of_its_own(self, project: Project, tmp_path: Path) -> None:
        started = project.start("nightly", JAVA_HOME=str(tmp_path))

        assert started.exit_code == 1
        assert f"JAVA_HOME is '{tmp_path}', where no bin/java is" in started.summary["error"]["message"]

    def test_a_dry_run_is_plain_python_and_needs_neither_java_nor_jars(self, project: Project, tmp_path: Path) -> None:
        path = path_without(tmp_path, "java")
        started = project.start("nightly", "--dry-run", "--set", "a=b", PATH=path, JAVA_HOME="", RECSYS_DELTA_JARS="")

        assert started.exit_code == 0, started.stderr
        assert started.lines == ["ran --dry-run --set a=b"]
        assert project.packages() == []


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


class TestSetUp:
    """These make real virtual environments, of no packages or of tiny ones made here."""

    def test_the_first_start_makes_the_environment_and_the_second_leaves_it(self, project: Project) -> None:
        first = project.start("nightly", RECSYS_PYTHON="", RECSYS_BOOTSTRAP_PYTHON=sys.executable)
        second = project.start("nightly", RECSYS_PYTHON="", RECSYS_BOOTSTRAP_PYTHON="/no/python")

        assert "making the environment .venv" in first.stderr
        assert first.environment("PYSPARK_PYTHON") == f"{project.folder}/.venv/bin/python"
        assert second.exit_code == 0
        assert second.stderr == ""

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

    @pytest.mark.parametrize("extra", ["docs", "no-such-extra"])
    def test_a_whole_environment_outlives_an_extra_that_cannot_be_installed(self, project: Project, extra: str) -> None:
        arguments = {"RECSYS_PYTHON": "", "RECSYS_BOOTSTRAP_PYTHON": sys.executable}
        project.start("--setup", **arguments)
        refused = project.start("nightly", RECSYS_EXTRAS=extra, **arguments)
        again = project.start("nightly", **arguments)

        assert refused.exit_code != 0
        assert again.exit_code == 0
        assert again.stderr == ""

    @pytest.mark.parametrize("missing", [(), ("flock",)])
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


def test_a_log_file_holds_what_stood_on_stderr_in_its_order(project: Project, tmp_path: Path) -> None:
    executable(project.folder / "spark-submit-stub", "#!/bin/sh\necho from-spark >&2\necho '{}'\n")
    log = tmp_path / "log"
    with log.open("w") as stderr:
        done = subprocess.run(
            f"echo before >&2; {str(project.folder / 'spark-submit.sh')!r} nightly; echo after >&2; sleep 0.5",
            shell=True,
            env=dict(project.environment),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            check=True,
        )

    assert done.stdout == "{}\n"
    assert sorted(log.read_text().split()) == ["after", "before", "from-spark"]
