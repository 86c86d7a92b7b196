"""What tests share: one Spark session for all that does not start its own, and small made-up ratings."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from pyspark.sql import SparkSession

from tests.databases import mariadb, postgresql, server  # noqa: F401

# no test asserts a time: the first example of a test may have to import half of the world
settings.register_profile("patient", parent=settings(), deadline=None)
settings.load_profile("patient")

PROJECT = Path(__file__).resolve().parent.parent

os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
# Python workers find the package and the tests' own functions as the driver does
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """A session on two cores that knows Delta, for every test that does not start its own."""
    from recsys_spark.session import build_session
    from tests.end_to_end.runs import QUICK_START

    jars = ",".join(str(jar) for jar in sorted((PROJECT / ".cache" / "jars").glob("*.jar")))
    assert jars, "Delta's jars are missing: run ./spark-submit.sh --setup dev"
    java = f"{QUICK_START} -Dlog4j2.configurationFile=file:{PROJECT}/conf/log4j2.properties"
    os.environ["PYSPARK_SUBMIT_ARGS"] = (
        f"--master local[2] --jars {jars} --driver-memory 2g --conf spark.ui.enabled=false "
        # queries over a few rows take longer to compile than to run
        "--conf spark.ui.showConsoleProgress=false --conf spark.sql.codegen.wholeStage=false "
        "--conf spark.sql.codegen.factoryMode=NO_CODEGEN "
        f'--conf "spark.driver.extraJavaOptions={java}" pyspark-shell'
    )
    session = build_session("tests", delta=True)
    yield session
    session.stop()


@pytest.fixture(params=["delta", "parquet"])
def published(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The output of two nights, in each layout."""
    from tests.published_output import write

    return write(tmp_path / str(request.param), request.param).output
