"""What can be told of Spark Connect without a server; tests/end_to_end/test_connect.py has one."""

from __future__ import annotations

import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import recsys_spark
from recsys_spark import connect
from recsys_spark.errors import ConfigError, RecsysError
from tests.conftest import PROJECT

PACKAGE = Path(recsys_spark.__file__).parent


def test_a_session_with_a_jvm_of_its_own_is_refused_nothing(spark: SparkSession) -> None:
    assert not connect.is_connect(spark)
    connect.refuse_what_needs_a_jvm(spark, output="s3a://bucket/output", serve_url="jdbc:mariadb://there/db")


def test_a_server_that_does_not_answer_is_told_at_once_and_without_its_token() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(RecsysError) as refused:
            connect._require_server(f"sc://127.0.0.1:{port}/;token=canary")

    assert refused.value.exit_code == 1, "a scheduler may try again"
    assert f"a Spark Connect server at 127.0.0.1:{port}" in str(refused.value)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("remote", ["local[2]", "canary:15002", "sc:///;token=canary"])
def test_what_is_no_address_is_refused_without_being_shown(remote: str) -> None:
    with pytest.raises(ConfigError, match="expected sc://host:port") as refused:
        connect._require_server(remote)

    assert "canary" not in str(refused.value)


def test_packages_that_are_missing_are_told_with_the_extra_that_brings_them(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:
        remote = f"sc://127.0.0.1:{there.getsockname()[1]}"
        script = tmp_path / "without_grpc.py"
        script.write_text(
            "import sys; sys.modules['grpc'] = None\n"
            "from recsys_spark.connect import connected_session\n"
            "connected_session('x', {}, delta=False)\n"
        )
        done = subprocess.run(
            [sys.executable, str(script)],
            env={"SPARK_REMOTE": remote, "PYTHONPATH": str(PROJECT)},
            capture_output=True,
            text=True,
            check=False,
        )

    assert "ConfigError: configuration: SPARK_REMOTE: expected the packages of the extra `connect`" in done.stderr
    assert "recsys-spark[connect]" in done.stderr.splitlines()[-1]


def test_the_zip_for_workers_holds_the_package_and_nothing_compiled(tmp_path: Path) -> None:
    names = zipfile.ZipFile(connect._zipped(PACKAGE, tmp_path / "package.zip")).namelist()

    assert {"recsys_spark/__init__.py", "recsys_spark/kernels/top_n.py"} <= set(names)
    assert all(name.startswith("recsys_spark/") and not name.endswith(".pyc") for name in names)


@pytest.mark.parametrize("name", ["recsys_spark-1.2.3-py3-none-any.whl", "recsys_spark-1-2.zip"])
def test_a_package_inside_an_archive_is_sent_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"an archive")

    sent = connect._zipped(tmp_path / name / "recsys_spark", tmp_path / "package.zip")

    assert sent.read_bytes() == b"an archive"
    assert sent.suffix == ".zip", "workers import from nothing else"
