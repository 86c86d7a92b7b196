"""How `spark-submit.sh` finds Java."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.launcher.project import Project, executable, path_without


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


class TestOwnJava:
    @pytest.fixture
    def installer(self, tmp_path: Path) -> Path:
        """A Python whose installer makes a Java that says what it was asked for."""
        home = tmp_path / "installed"
        java = executable(home / "bin/java", "#!/bin/sh\necho 'openjdk version \"21.0.1\"' >&2\n")
        return executable(tmp_path / "python", f'#!/bin/sh\necho "$@" > {tmp_path}/asked\necho {java.parent.parent}\n')

    def test_whoever_has_none_is_offered_one(self, project: Project, tmp_path: Path) -> None:
        started = project.start("nightly", PATH=path_without(tmp_path, "java"), JAVA_HOME="")

        assert "./spark-submit.sh --setup-java" in started.summary["error"]["hint"]
        assert not (project.folder / ".cache/java").exists(), "nothing is installed unasked"

    def test_it_is_installed_on_request_and_found_from_then_on(
        self, project: Project, tmp_path: Path, installer: Path
    ) -> None:
        path = path_without(tmp_path, "java")
        set_up = project.start("--setup-java", PATH=path, JAVA_HOME="", RECSYS_PYTHON=str(installer))

        assert set_up.exit_code == 0, set_up.stderr
        asked = (tmp_path / "asked").read_text()
        assert f"--jdk temurin-jre:21 --cache-dir {project.folder}/.cache/java" in asked
        assert project.start("nightly", PATH=path, JAVA_HOME="").exit_code == 0

    def test_it_goes_before_that_of_the_system(self, project: Project, installer: Path) -> None:
        executable(project.folder / "bin/java", "#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
        assert project.start("nightly", JAVA_HOME="").exit_code == 1

        project.start("--setup-java", JAVA_HOME="", RECSYS_PYTHON=str(installer))
        assert project.start("nightly", JAVA_HOME="").exit_code == 0

    def test_an_installer_that_fails_is_told(self, project: Project, tmp_path: Path) -> None:
        python = executable(tmp_path / "python", "#!/bin/sh\necho 'no such host' >&2\nexit 1\n")
        started = project.start("--setup-java", RECSYS_PYTHON=str(python))

        assert started.exit_code == 1
        assert "no such host" in started.stderr
        assert started.summary["error"]["message"] == "Java could not be installed"
        assert not (project.folder / ".cache/java/home").exists()
