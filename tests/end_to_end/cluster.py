"""A real standalone cluster on loopback: a master and two workers, each a process with a folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.end_to_end.runs import QUICK_START

PATIENCE = 300.0
"""Seconds after which a process that does not answer counts as hanging."""


class Cluster:
    """What a machine of the cluster has: Spark, the same Python without any package, and a folder.

    Args:
        folder: a folder of each process comes into being in it.
        spark: Spark's home; the processes see it under a path of their own.
    """

    def __init__(self, folder: Path, spark: Path) -> None:
        self._folder, self._spark = folder, spark
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.master = f"spark://127.0.0.1:{free_port()}"

    @property
    def python(self) -> str:
        """The interpreter that a machine of the cluster has: the one our environment was made from."""
        return os.path.realpath(sys.executable)

    def start(self) -> None:
        """Start all three and wait until the workers are known to the master."""
        host, port = self.master.removeprefix("spark://").split(":")
        options = ("--host", host, "--port", port, "--webui-port", "0")
        self._start("master", "org.apache.spark.deploy.master.Master", options)
        self._until("master", "Starting Spark master at")
        for name in ("worker-1", "worker-2"):
            options = ("--host", host, "--webui-port", "0", "--cores", "1", "--memory", "1536m", "--work-dir", "work")
            self._start(name, "org.apache.spark.deploy.worker.Worker", (*options, self.master))
        for name in ("worker-1", "worker-2"):
            self._until(name, "Successfully registered with master")

    def kill(self, name: str) -> None:
        """End a process and all that it has started at once, as a loss of power would."""
        with suppress(ProcessLookupError):
            os.killpg(self._processes[name].pid, signal.SIGKILL)
        self._processes[name].wait(PATIENCE)

    def stop(self) -> None:
        """End what still runs and take the folders away, but for the logs."""
        for name in ("worker-1", "worker-2", "master"):
            if name in self._processes:
                self.kill(name)
                shutil.rmtree(self._folder / name / "work", ignore_errors=True)

    def log(self, name: str) -> str:
        """What a process has written."""
        return (self._folder / name / "log").read_text(errors="replace")

    def _start(self, name: str, java_class: str, options: Sequence[str]) -> None:
        home = self._folder / name
        for folder in ("home", "scratch", "spark"):
            (home / folder).mkdir(parents=True)
        # what belongs to Spark, and not what pip has laid beside it
        for part in ("bin", "jars", "python"):
            (home / "spark" / part).symlink_to(self._spark / part)
        with (home / "log").open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [str(home / "spark" / "bin" / "spark-class"), java_class, *options],
                cwd=home,
                env=self._environment(home),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _environment(self, home: Path) -> Mapping[str, str]:
        java = {"JAVA_HOME": os.environ["JAVA_HOME"]} if "JAVA_HOME" in os.environ else {}
        return java | {
            "PATH": f"{Path(self.python).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home / "home"),
            "SPARK_HOME": str(home / "spark"),
            "SPARK_LOCAL_DIRS": str(home / "scratch"),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_DAEMON_JAVA_OPTS": QUICK_START,
            "SPARK_DAEMON_MEMORY": "512m",
        }

    def _until(self, name: str, said: str) -> None:
        end = time.monotonic() + PATIENCE
        while said not in self.log(name):
            if self._processes[name].poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{name} does not start:\n{self.log(name)[-3000:]}")
            time.sleep(0.1)


@contextmanager
def running(folder: Path, spark: Path) -> Iterator[Cluster]:
    """A cluster that runs within this."""
    cluster = Cluster(folder, spark)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
