"""stderr apart from stdout: a driver started as spark-submit starts it, with one pipe for both of its streams."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT

DRIVER = (
    "import sys; from recsys_spark.streams import separate_stderr; separate_stderr(); "
    "print('progress', file=sys.stderr, flush=True); print('summary')"
)
# what the JVM does: one pipe for the child's streams, copied to its own stdout
JVM = f"""
import subprocess, sys
print("log", file=sys.stderr, flush=True)
child = subprocess.run([sys.executable, "-c", {DRIVER!r}], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
print(child.stdout, end="")
print("log again", file=sys.stderr)
"""
needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="without /proc the streams stay together")


def environment(**variables: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PROJECT), **variables}


@needs_proc
def test_under_spark_submit_only_stdout_reaches_stdout() -> None:
    done = subprocess.run(
        [sys.executable, "-c", JVM],
        env=environment(PYSPARK_GATEWAY_PORT="1"),
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "summary\n"
    assert done.stderr == "log\nprogress\nlog again\n"


@needs_proc
def test_a_plain_file_of_the_jvm_is_never_written_over(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log:
        done = subprocess.run(
            [sys.executable, "-c", JVM],
            env=environment(PYSPARK_GATEWAY_PORT="1"),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            check=True,
        )

    assert done.stdout == "progress\nsummary\n"
    assert (tmp_path / "log").read_text() == "log\nlog again\n"


def test_without_spark_submit_nothing_changes() -> None:
    done = subprocess.run(
        [sys.executable, "-c", DRIVER],
        env={k: v for k, v in environment().items() if k != "PYSPARK_GATEWAY_PORT"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )

    assert done.stdout == "progress\nsummary\n"
