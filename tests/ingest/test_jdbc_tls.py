"""What `jdbc.tls` says holds: the server itself tells whether a connection was encrypted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from pyspark.sql import SparkSession

from recsys_spark.errors import RecsysError
from recsys_spark.ingest.sources import open_table
from recsys_spark.ingest.table_source import TableSource
from tests.databases import USER, MariaDB, PostgreSQL, Server, running

VARIABLE = "RECSYS_TEST_DATABASE"
ABOUT_ITSELF = {
    "postgresql": "SELECT CASE WHEN ssl THEN 'yes' ELSE 'no' END AS encrypted FROM pg_stat_ssl"
    " WHERE pid = pg_backend_pid()",
    "mariadb": "SELECT CASE WHEN variable_value <> '' THEN 'yes' ELSE 'no' END AS encrypted"
    " FROM information_schema.session_status WHERE variable_name = 'SSL_CIPHER'",
}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module", params=[PostgreSQL, MariaDB], ids=["postgresql", "mariadb"])
def encrypting(request: pytest.FixtureRequest, authority: trustme.CA) -> Iterator[Server]:
    """A server with a certificate for 127.0.0.1."""
    yield from running(request.param, authority)


@pytest.fixture(autouse=True)
def password(encrypting: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, encrypting.password)


def certificate(authority: trustme.CA, folder: Path) -> str:
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    return str(folder / "authority.pem")


def is_encrypted(spark: SparkSession, server: Server, **jdbc: Any) -> str:
    """What a connection that the source makes says of itself."""
    at = {"format": "jdbc", "url": jdbc.pop("url", server.url), "user": USER, "password": f"env:{VARIABLE}"}
    source = TableSource.model_validate({**at, "query": ABOUT_ITSELF[server.scheme], "jdbc": jdbc})
    rows = open_table(spark, source, "source").collect()
    return str(rows[0]["encrypted"])


def test_without_it_a_connection_is_in_the_clear(spark: SparkSession, encrypting: Server) -> None:
    assert is_encrypted(spark, encrypting, tls="disable") == "no"


def test_what_is_required_is_encrypted(spark: SparkSession, encrypting: Server) -> None:
    assert is_encrypted(spark, encrypting, tls="require") == "yes"


def test_what_is_verified_is_encrypted(
    spark: SparkSession, encrypting: Server, authority: trustme.CA, tmp_path: Path
) -> None:
    assert is_encrypted(spark, encrypting, tls="verify", ca_file=certificate(authority, tmp_path)) == "yes"


def test_a_certificate_of_somebody_else_is_refused(spark: SparkSession, encrypting: Server, tmp_path: Path) -> None:
    with pytest.raises(RecsysError) as raised:
        is_encrypted(spark, encrypting, tls="verify", ca_file=certificate(trustme.CA(), tmp_path))

    assert raised.value.subject == "source.jdbc.tls"
    assert encrypting.password not in str(raised.value)


def test_a_certificate_for_another_host_is_refused(
    spark: SparkSession, encrypting: Server, authority: trustme.CA, tmp_path: Path
) -> None:
    elsewhere = encrypting.url.replace("127.0.0.1", "localhost")

    with pytest.raises(RecsysError) as raised:
        is_encrypted(spark, encrypting, url=elsewhere, tls="verify", ca_file=certificate(authority, tmp_path))

    assert raised.value.subject == "source.jdbc.tls"
