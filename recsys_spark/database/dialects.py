"""The databases that are known: their drivers, and what each calls the same thing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Dialect:
    """One kind of database."""

    name: str
    driver: str
    """The class inside the jar."""

    jar: str
    """group:module of the jar, whose version `spark-submit.sh` knows."""

    quotation_mark: str
    """Around names."""

    is_transactional: bool
    """Whether tables are made and renamed within transactions."""

    seconds: int
    """What a second is in the driver's properties of time."""

    tls_key: str
    tls: Mapping[str, str]
    """disable, require and verify, in the driver's words."""

    ca_key: str
    always: Mapping[str, str] = field(default_factory=dict)
    """Properties of every connection."""

    def quoted(self, name: str) -> str:
        """A name as it stands in SQL, whatever is in it."""
        mark = self.quotation_mark
        return f"{mark}{name.replace(mark, 2 * mark)}{mark}"


_POSTGRESQL = Dialect(
    name="PostgreSQL",
    driver="org.postgresql.Driver",
    jar="org.postgresql:postgresql",
    quotation_mark='"',
    is_transactional=True,
    seconds=1,
    tls_key="sslmode",
    tls={"disable": "disable", "require": "require", "verify": "verify-full"},
    ca_key="sslrootcert",
    always={"ApplicationName": "recsys-spark", "tcpKeepAlive": "true", "reWriteBatchedInserts": "true"},
)

_IN_UTC = {"connectionTimeZone": "UTC", "forceConnectionTimeZoneToSession": "true"}
"""Times with a zone, as all of ours are, whatever zone the JVM and the server are in."""

_MARIADB = Dialect(
    name="MariaDB or MySQL",
    driver="org.mariadb.jdbc.Driver",
    jar="org.mariadb.jdbc:mariadb-java-client",
    quotation_mark="`",
    is_transactional=False,
    seconds=1_000,
    tls_key="sslMode",
    tls={"disable": "disable", "require": "trust", "verify": "verify-full"},
    ca_key="serverSslCert",
    # TINYINT(1) holds ratings of 0 to 10 as well as truth; a column of the type YEAR is a number, no date
    always={"tinyInt1isBit": "false", "yearIsDateType": "false", "tcpKeepAlive": "true", **_IN_UTC},
)

DIALECTS: Mapping[str, Dialect] = {
    "jdbc:postgresql:": _POSTGRESQL,
    "jdbc:mariadb:": _MARIADB,
    "jdbc:mysql:": _MARIADB,
}
"""By the beginning of the URL."""


def dialect_of(url: str) -> Dialect | None:
    """The dialect of a URL; none: a database that is not known."""
    return next((dialect for start, dialect in DIALECTS.items() if url.startswith(start)), None)


def url_for_spark(url: str) -> str:
    """The URL as Spark knows the dialect by it.

    Spark takes `jdbc:mariadb:` for a database of no kind, and puts the names of columns in double quotation marks,
    which are text to MariaDB: each row would hold the columns' names. Its driver answers to `jdbc:mysql:` if asked to.
    """
    if dialect_of(url) is not _MARIADB:
        return url
    return f"jdbc:mysql:{url.split(':', 2)[2]}{'&' if '?' in url else '?'}permitMysqlScheme"
