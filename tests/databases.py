"""Real database servers for tests: started on loopback by a user without rights, stopped and removed afterwards."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pymysql
import pytest
import trustme

DATABASE, USER = "shop", "reader"
PATIENCE = 300
"""Seconds after which a server that does not answer counts as hanging."""


class Server:
    """A server with a database and a user who owns it."""

    scheme: ClassVar[str]
    package: ClassVar[str]
    """Debian's, for whoever finds the tests skipped."""

    account: ClassVar[str]
    """Who runs it where the tests are run by root."""

    def __init__(self, authority: trustme.CA | None = None) -> None:
        """A server that speaks TLS with a certificate of this authority, or not at all."""
        self.folder = Path(tempfile.mkdtemp(prefix=f"recsys-{self.scheme}-"))
        self.password = f"K4narie-{secrets.token_hex(8)}"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            shutil.chown(self.folder, self.account, pwd.getpwnam(self.account).pw_gid)
        if authority is not None:
            self._store(authority.issue_cert("127.0.0.1"))

    @classmethod
    def is_installed(cls) -> bool:
        raise NotImplementedError

    @classmethod
    def command(cls, name: str) -> str:
        """The path of one of its programs."""
        places = [*map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"))), os.environ["PATH"], "/usr/sbin"]
        return shutil.which(name, path=os.pathsep.join(places)) or ""

    def make(self) -> None:
        """Lay the data folder, with the database and the user."""
        raise NotImplementedError

    def connect(self) -> Any:
        """A connection of the user's, by a driver that is not the product's."""
        raise NotImplementedError

    def server_command(self) -> Sequence[str]:
        raise NotImplementedError

    @property
    def url(self) -> str:
        return f"jdbc:{self.scheme}://127.0.0.1:{self.port}/{DATABASE}"

    def run(self, command: Sequence[str], **options: Any) -> None:
        """Run a program as the server's user."""
        done = subprocess.run(command, capture_output=True, text=True, check=False, **self._unprivileged(), **options)
        assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"

    def start(self) -> None:
        """Start the server and wait till it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.server_command(),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                **self._unprivileged(),
            )
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            with suppress(psycopg.OperationalError, pymysql.OperationalError):
                self.connect().close()
                return
            time.sleep(0.2)
        raise AssertionError(f"{self.scheme} does not start:\n{(self.folder / 'log').read_text()[-3000:]}")

    def kill(self) -> None:
        """End it, and all processes that it has started, as a loss of power would."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def execute(self, *statements: str) -> None:
        """Run statements as the user, each in a transaction of its own."""
        connection = self.connect()
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                connection.commit()
        connection.close()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query gives."""
        connection = self.connect()
        with connection.cursor() as cursor:
            cursor.execute(query)
            found = [tuple(row) for row in cursor.fetchall()]
        connection.close()
        return found

    def insert(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows to a table."""
        connection = self.connect()
        with connection.cursor() as cursor:
            marks = ", ".join(["%s"] * len(rows[0]))
            cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", [tuple(row) for row in rows])
        connection.commit()
        connection.close()

    @property
    def speaks_tls(self) -> bool:
        return (self.folder / "key.pem").exists()

    def _store(self, certificate: trustme.LeafCert) -> None:
        certificate.private_key_pem.write_to_path(str(self.folder / "key.pem"))
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(str(self.folder / "certificate.pem"), append=True)
        (self.folder / "key.pem").chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(self.folder / "key.pem", self.account)

    def remove(self) -> None:
        """Stop the server and delete all that is its."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _unprivileged(self) -> dict[str, Any]:
        rights = {"user": self.account, "group": self.account, "extra_groups": []} if os.geteuid() == 0 else {}
        return {"cwd": self.folder, **rights}


class PostgreSQL(Server):
    scheme = "postgresql"
    package = "postgresql"
    account = "postgres"

    @classmethod
    def is_installed(cls) -> bool:
        return bool(cls.command("initdb"))

    def make(self) -> None:
        secret = self.folder / "secret"
        secret.write_text(self.password)
        secret.chmod(0o644)
        options = ("-U", USER, "-A", "scram-sha-256", "--pwfile", str(secret), "-E", "UTF8", "--no-sync")
        self.run((self.command("initdb"), "-D", str(self.folder / "data"), *options))
        self.start()
        own = psycopg.connect(self._about("postgres"), autocommit=True)
        own.execute(f"CREATE DATABASE {DATABASE}")
        own.close()

    def connect(self) -> Any:
        try:
            return psycopg.connect(self._about(DATABASE))
        except psycopg.OperationalError as error:
            if "does not exist" not in str(error):
                raise
            return psycopg.connect(self._about("postgres"))

    def server_command(self) -> Sequence[str]:
        return (
            self.command("postgres"),
            *("-D", str(self.folder / "data"), "-h", "127.0.0.1", "-p", str(self.port), "-k", str(self.folder)),
            *("-c", "fsync=off", "-c", "full_page_writes=off"),
            *(self._tls() if self.speaks_tls else ()),
        )

    def _tls(self) -> Sequence[str]:
        files = {"ssl_cert_file": "certificate.pem", "ssl_key_file": "key.pem"}
        return (
            "-c",
            "ssl=on",
            *(part for key, file in files.items() for part in ("-c", f"{key}={self.folder / file}")),
        )

    def _about(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} dbname={database} user={USER} password={self.password}"


class MariaDB(Server):
    scheme = "mariadb"
    package = "mariadb-server"
    account = "mysql"

    @classmethod
    def is_installed(cls) -> bool:
        return bool(cls.command("mariadbd") and cls.command("mariadb-install-db"))

    def make(self) -> None:
        options = ("--auth-root-authentication-method=normal", "--skip-test-db")
        self.run((self.command("mariadb-install-db"), "--no-defaults", f"--datadir={self.folder / 'data'}", *options))
        first = self.folder / "first.sql"
        first.write_text(
            f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4;\n"
            f"CREATE USER '{USER}'@'127.0.0.1' IDENTIFIED BY '{self.password}';\n"
            f"GRANT ALL ON {DATABASE}.* TO '{USER}'@'127.0.0.1';\n"
        )
        self.start()

    def connect(self) -> Any:
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user=USER, password=self.password, database=DATABASE, charset="utf8mb4"
        )

    def server_command(self) -> Sequence[str]:
        first = self.folder / "first.sql"
        data = self.folder / "data"
        return (
            self.command("mariadbd"),
            *("--no-defaults", f"--datadir={data}", f"--socket={self.folder / 'socket'}", "--skip-name-resolve"),
            *("--bind-address=127.0.0.1", f"--port={self.port}", f"--pid-file={self.folder / 'pid'}"),
            *("--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=64M"),
            *(() if (data / DATABASE).exists() else (f"--init-file={first}",)),
            *(
                (f"--ssl-cert={self.folder}/certificate.pem", f"--ssl-key={self.folder}/key.pem")
                if self.speaks_tls
                else ()
            ),
        )


def running(kind: type[Server], authority: trustme.CA | None = None) -> Iterator[Server]:
    """A server for as long as it is needed."""
    if not kind.is_installed():
        pytest.skip(f"no server of {kind.scheme} is installed; on Debian the package {kind.package}")
    server = kind(authority)
    try:
        server.make()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    yield from running(PostgreSQL)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Server]:
    yield from running(MariaDB)


@pytest.fixture(scope="session", params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each of them."""
    found: Server = request.getfixturevalue(request.param)
    return found
