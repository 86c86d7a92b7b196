"""A real Spark Connect server on this machine, which knows nothing of this project."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyspark

from tests.end_to_end.runs import PROJECT, clean_environment

SECONDS_TO_START = 180


@contextlib.contextmanager
def connect_server(folder: Path) -> Iterator[str]:
    """Its address, `sc://127.0.0.1:port`. It runs in a folder and with an environment of its own, and knows Delta."""
    jars = ",".join(str(jar) for jar in sorted((PROJECT / ".cache" / "jars").glob("delta-*.jar")))
    settings = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": "0",
        "spark.ui.enabled": "false",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        # queries over a few rows take longer to compile than to run
        "spark.sql.codegen.wholeStage": "false",
    }
    command = [
        str(Path(pyspark.__file__).parent / "bin" / "spark-submit"),
        *("--master", "local[2]", "--driver-memory", "2g", "--jars", jars),
        *(part for setting in settings.items() for part in ("--conf", "=".join(setting))),
        *("--class", "org.apache.spark.sql.connect.service.SparkConnectServer"),
    ]
    environment = clean_environment() | {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    log = folder / "server.log"
    with log.open("w") as written:
        # spark-submit becomes the JVM, so that ending this process ends the server
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=written, stderr=subprocess.STDOUT)
    try:
        yield f"sc://127.0.0.1:{_port(server, log)}"
    finally:
        server.terminate()
        server.wait(timeout=60)


def _port(server: subprocess.Popen[bytes], log: Path) -> int:
    """Where it listens, once it does."""
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until and server.poll() is None:
        started = re.search(r"Spark Connect server started at: \S*:(\d+)", log.read_text())
        if started is not None:
            return int(started[1])
        time.sleep(0.2)
    raise AssertionError(f"no Connect server; its log ends with:\n{log.read_text()[-3000:]}")
