"""Sessions of Spark Connect: the driver has no JVM of its own, a server elsewhere runs what it asks for.

`SPARK_REMOTE` names the server, as Spark has it. What needs a JVM beside the driver is asked of `is_connect` first.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies
from zipfile import ZIP_DEFLATED, ZipFile

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from recsys_spark.errors import ConfigError, ConfigErrors, RecsysError

REMOTE = "SPARK_REMOTE"
"""The environment variable that names the server: `sc://host:port`."""

PORT = 15002
"""Where a server listens unless it is told otherwise."""

SECONDS_TO_ANSWER = 10
"""For a server to take a connection."""

SECONDS_BETWEEN_SIGNS_OF_LIFE = 300.0
"""A server drops a session that has been silent for too long, an hour by default; a training may take longer."""

_ZONE = "spark.sql.session.timeZone"


def is_connect(spark: SparkSession) -> bool:
    """Whether a session is one of Spark Connect: without `sparkContext`, JVM, broadcasts and accumulators."""
    # they only look like pyspark's own class
    return not isinstance(spark, SparkSession)


def connected_session(app_name: str, wanted: Mapping[str, str], *, delta: bool) -> SparkSession:
    """A session of the server that `SPARK_REMOTE` names, with our package for its Python workers.

    Args:
        app_name: of the session.
        wanted: settings; those that the server was started with stay as they are, and so do those that it lets nobody
            change.
        delta: whether the session must know Delta tables.

    Raises:
        ConfigError: packages are missing here, or Delta there.
        RecsysError: there is no server.
    """
    _require_server(os.environ[REMOTE])
    try:
        spark: SparkSession = SparkSession.builder.appName(app_name).getOrCreate()
    except ImportError as error:
        raise ConfigError(
            REMOTE,
            expected="the packages of the extra `connect`",
            found=str(error).strip().splitlines()[0],
            hint="RECSYS_EXTRAS=connect ./spark-submit.sh ... installs them, or pip install 'recsys-spark[connect]'",
        ) from None
    given = spark.conf.getAll
    for key, value in wanted.items():
        if key not in given:
            _set(spark, key, value)
    if delta:
        _require_delta(spark)
    _send_package(spark)
    threading.Thread(target=_give_signs_of_life, args=(spark,), name="signs of life", daemon=True).start()
    return spark


def refuse_what_needs_a_jvm(spark: SparkSession, *, output: str, serve_url: str | None) -> None:
    """Refuse, before anything is done, what cannot be done over Spark Connect.

    Args:
        spark: the session; any other may do all.
        output: where the output lies, if the job writes and other machines have to be kept from it; empty: it need not.
        serve_url: of the database that the job serves; none: it serves none.

    Raises:
        ConfigError: something cannot be done.
    """
    if is_connect(spark):
        ConfigErrors.raise_if_any(_impossible(output, serve_url))


def _impossible(output: str, serve_url: str | None) -> Iterator[ConfigError]:
    if "://" in output:
        yield ConfigError(
            "output.path",
            expected=f"a folder that both this machine and the server of {REMOTE} have mounted",
            found=f"a location of {urlsplit(output).scheme}",
            hint=f"only a JVM beside this process can lock a remote output: mount it, or unset {REMOTE}",
        )
    if serve_url is not None:
        yield ConfigError(
            "serve.url",
            expected=f"none over Spark Connect ({REMOTE} is set): tables are swapped by the JDBC driver in Spark's JVM",
            found="a database",
            hint="--set serve.url=null, and afterwards the job `serve` where there is a JVM",
        )


def _require_server(remote: str) -> None:
    """Without this, Spark would try for ten minutes and say nothing. What follows the address may hold a token."""
    address = urlsplit(remote.partition(";")[0])
    if address.scheme != "sc" or not address.hostname:
        raise ConfigError(
            REMOTE,
            expected="sc://host:port, and perhaps /;use_ssl=true and the like after it",
            found="another form (not shown: it may hold a token)",
            hint=f"export {REMOTE}=sc://localhost:{PORT}",
        )
    if getproxies():
        return  # then only gRPC knows the way
    host, port = address.hostname, address.port or PORT
    try:
        socket.create_connection((host, port), timeout=SECONDS_TO_ANSWER).close()
    except OSError as error:
        raise RecsysError(
            REMOTE,
            expected=f"a Spark Connect server at {host}:{port}",
            found=str(error),
            hint="is it running, and does it listen for other machines (spark.connect.grpc.binding.address)?",
        ) from None


def _set(spark: SparkSession, key: str, value: str) -> None:
    """Set it unless the server forbids; only the time zone changes what is computed."""
    try:
        spark.conf.set(key, value)
    except PySparkException:
        if key == _ZONE:
            raise


def _require_delta(spark: SparkSession) -> None:
    try:
        # names the data source and a path that never exists: nothing is read
        _ = spark.read.format("delta").load("/recsys-spark/no/such/table").schema
    except PySparkException as error:
        if error.getCondition() == "DATA_SOURCE_NOT_FOUND":
            raise ConfigError(
                "output.format",
                expected=f"Delta on the server of {REMOTE}",
                found="none",
                hint="docs/connect.md starts it with Delta; --set output.format=parquet needs none",
            ) from None


def _send_package(spark: SparkSession) -> None:
    """Let the session's Python workers import this very package, whatever the server has installed."""
    folder = Path(mkdtemp(prefix="recsys-package-"))
    # pyspark puts the zip on this process's own path
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    spark.addArtifacts(str(_zipped(Path(__file__).parent, folder / "recsys_spark.zip")), pyfile=True)


def _zipped(package: Path, target: Path) -> Path:
    """The package as a zip: what already is inside one, or a wheel, is copied as it is."""
    archive = next((above for above in package.parents if above.is_file()), None)
    if archive is not None:
        return Path(shutil.copy(archive, target))
    with ZipFile(target, "w", ZIP_DEFLATED) as zipped:
        for file in sorted(package.rglob("*")):
            if file.is_file() and file.suffix != ".pyc":
                zipped.write(file, file.relative_to(package.parent))
    return target


def _give_signs_of_life(spark: Any) -> None:
    """Until the session is stopped."""
    pause = threading.Event()
    while not pause.wait(SECONDS_BETWEEN_SIGNS_OF_LIFE) and not spark.is_stopped:
        try:
            spark.conf.get(_ZONE)
        except Exception:
            # whoever uses the session next is told better
            return
