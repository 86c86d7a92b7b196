"""A metastore for tests: Derby in a folder, which Spark's own Hive support opens. One process at a time may."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import PROJECT
from tests.end_to_end.runs import QUICK_START, clean_environment


def options(folder: Path) -> list[str]:
    """Spark's options for a session with the metastore of a folder."""
    settings = {
        "spark.sql.catalogImplementation": "hive",
        "spark.sql.warehouse.dir": f"{folder}/warehouse",
        "spark.hadoop.javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={folder}/metastore;create=true",
    }
    return [word for key, value in settings.items() for word in ("--conf", f"{key}={value}")]


def in_another_process(module: str, *arguments: str, folder: Path) -> Any:
    """What a module prints as its last line, as JSON, given a session with the metastore of the folder."""
    jars = ",".join(str(jar) for jar in sorted((PROJECT / ".cache" / "jars").glob("*.jar")))
    quoted = " ".join(f"'{word}'" for word in options(folder))
    log = f"-Dlog4j2.configurationFile=file:{PROJECT}/conf/log4j2.properties"
    environment = clean_environment() | {
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYTHONPATH": str(PROJECT),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": f"--master local[2] --jars {jars} {quoted} --conf spark.ui.enabled=false "
        f"--conf spark.sql.codegen.wholeStage=false --conf 'spark.driver.extraJavaOptions={log}' pyspark-shell",
        "JAVA_TOOL_OPTIONS": QUICK_START,
    }
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment | {"HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])
