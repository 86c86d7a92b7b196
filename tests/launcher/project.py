"""What tests of `spark-submit.sh` share: a small project, and what a start of its script gave."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PRINTS_ITS_START = """\
#!/bin/bash
printf '%s\\n' "$@"
for name in PYSPARK_PYTHON PYSPARK_DRIVER_PYTHON SPARK_LOCAL_IP SPARK_SUBMIT_OPTS NUMBA_CACHE_DIR SPARK_REMOTE; do
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
