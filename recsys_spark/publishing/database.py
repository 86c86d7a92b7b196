"""The lists in a database, for applications that read them there: loaded beside what they read, then swapped at once.

What is served changes in one step. PostgreSQL renames all tables in one transaction; MariaDB and MySQL do so in one
`RENAME TABLE`, which is atomic and survives a crash. Readers see all tables of one run, or all of the one before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import DataType

from recsys_spark.database.address import Address
from recsys_spark.database.connection import connected
from recsys_spark.database.failures import what_it_means
from recsys_spark.errors import DataError
from recsys_spark.publishing.settings import ServeSettings
from recsys_spark.schemas import TOP_N, USER_OUTCOMES

SECTION = "serve"
NEXT, BEFORE = "__next", "__before"
"""Behind the names of tables that are being loaded, and of those that have just been replaced."""

TYPES = {
    '"': {"float": "real", "string": "text", "timestamp": "timestamp with time zone"},
    # compared letter by letter, as ids are; an index takes no longer text
    "`": {
        "string": "varchar(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        "timestamp": "datetime(6)",
    },
}
"""Of columns, by the quotation mark of the dialect; other types are called the same everywhere."""

KEYS = {TOP_N.name: ("user_id", "rank"), USER_OUTCOMES.name: ("user_id",)}
"""What the tables are looked up by."""


class ServedTables:
    """The tables of a database that applications read.

    Args:
        spark: a session with a JVM of its own.
        settings: where they are and what they are called.
    """

    def __init__(self, spark: SparkSession, settings: ServeSettings) -> None:
        self.spark, self.settings = spark, settings
        self.address: Address = settings.address
        self.names: Mapping[str, str] = {TOP_N.name: settings.top_n, USER_OUTCOMES.name: settings.user_outcomes}
        self._quoted = self.address.dialect.quoted

    def served_run(self) -> str | None:
        """The run whose lists the database serves; none: there are no tables, or no rows in them.

        Raises:
            ConfigError: the database refuses.
            DataError: it cannot be reached.
        """
        try:
            with connected(self.spark, self.address) as connection:
                if self.settings.top_n not in self._existing(connection):
                    return None
                found = _rows(connection, f"SELECT run_id FROM {self._quoted(self.settings.top_n)} LIMIT 1")
                return None if not found else str(found[0][0])
        except (Py4JJavaError, PySparkException) as error:
            raise what_it_means(SECTION, self.address, str(error)) from None

    def serve(self, tables: Mapping[str, DataFrame]) -> dict[str, int]:
        """Load the tables beside those that are served, then swap them.

        Args:
            tables: `top_n` and `user_outcomes`, of one run, in their schemas.

        Returns:
            How many rows each has.

        Raises:
            ConfigError: the database refuses; what was served still is.
            DataError: it cannot be reached, or has other rows than it was given. What was served still is, unless the
                connection broke just when the swap was confirmed: then either is, and whole.
        """
        try:
            with connected(self.spark, self.address) as connection:
                self._clean(connection)
                for name, rows in tables.items():
                    _execute(connection, self._create(self.names[name] + NEXT, rows))
                counts = {name: self._load(name, rows) for name, rows in tables.items()}
                for name, n in counts.items():
                    self._check(connection, name, n)
                    columns = ", ".join(self._quoted(column) for column in KEYS[name])
                    # without a name of its own, which would be that of the table served now
                    add = "CREATE INDEX ON {}" if self.address.dialect.is_transactional else "ALTER TABLE {} ADD INDEX"
                    _execute(connection, f"{add.format(self._quoted(self.names[name] + NEXT))} ({columns})")
                self._swap(connection, [self.names[name] for name in tables])
                return counts
        except (Py4JJavaError, PySparkException) as error:
            raise what_it_means(SECTION, self.address, str(error)) from None

    def _create(self, name: str, rows: DataFrame) -> str:
        columns = ", ".join(f"{self._quoted(field.name)} {self._type(field.dataType)}" for field in rows.schema)
        return f"CREATE TABLE {self._quoted(name)} ({columns})"

    def _type(self, kind: DataType) -> str:
        plain = kind.simpleString()
        return TYPES[self.address.dialect.quotation_mark].get(plain, plain)

    def _load(self, name: str, rows: DataFrame) -> int:
        """Write the rows from several tasks, each in a transaction of its own; gives their number."""
        n = rows.count()
        options = {
            **self.address.login(),
            "url": self.address.driver_url,
            "driver": self.address.dialect.driver,
            "dbtable": self._quoted(self.names[name] + NEXT),
            "batchsize": str(self.settings.batch),
        }
        rows.coalesce(self.settings.connections).write.format("jdbc").options(**options).mode("append").save()
        return n

    def _check(self, connection: Any, name: str, expected: int) -> None:
        """A task that was tried twice after its commit had been lost on the way would have left its rows twice."""
        found = _rows(connection, f"SELECT COUNT(*) FROM {self._quoted(self.names[name] + NEXT)}")[0][0]
        if int(found) != expected:
            table = f"{self.names[name]}{NEXT} ({self.address.shown})"
            hint = "nothing is served of it; start again"
            raise DataError(table, expected=f"the {expected:,} rows written", found=f"{int(found):,}", hint=hint)

    def _swap(self, connection: Any, names: list[str]) -> None:
        existing = self._existing(connection)
        renames = []
        for name in names:
            renames += [(name, name + BEFORE)] if name in existing else []
            renames.append((name + NEXT, name))
        seconds = self.settings.lock_seconds
        before = [name + BEFORE for name in names if name in existing]
        if self.address.dialect.is_transactional:
            connection.setAutoCommit(False)
            _execute(connection, f"SET LOCAL lock_timeout = '{seconds}s'")
            for name in (name for name in names if name in existing):
                self._pass_on_rights(connection, name)
            for old, new in renames:
                _execute(connection, f"ALTER TABLE {self._quoted(old)} RENAME TO {self._quoted(new)}")
            for name in before:
                _execute(connection, f"DROP TABLE {self._quoted(name)}")
            connection.commit()
            connection.setAutoCommit(True)
            return
        _execute(connection, f"SET SESSION lock_wait_timeout = {seconds}")
        pairs = ", ".join(f"{self._quoted(old)} TO {self._quoted(new)}" for old, new in renames)
        _execute(connection, f"RENAME TABLE {pairs}")
        for name in before:
            _execute(connection, f"DROP TABLE {self._quoted(name)}")

    def _pass_on_rights(self, connection: Any, name: str) -> None:
        """Grant on the new table what was granted on the old one; where rights go by name, none are needed."""
        granted = _rows(
            connection,
            "SELECT privilege_type, grantee FROM information_schema.role_table_grants "
            f"WHERE table_schema = current_schema() AND table_name = '{name}' AND grantee <> grantor",
        )
        for privilege, grantee in granted:
            to = "PUBLIC" if grantee == "PUBLIC" else self._quoted(grantee)
            _execute(connection, f"GRANT {privilege} ON {self._quoted(name + NEXT)} TO {to}")

    def _clean(self, connection: Any) -> None:
        """Remove what an attempt that died has left."""
        for name in sorted(self._existing(connection)):
            if any(name in (own + NEXT, own + BEFORE) for own in self.names.values()):
                _execute(connection, f"DROP TABLE {self._quoted(name)}")

    def _existing(self, connection: Any) -> set[str]:
        here = "current_schema()" if self.address.dialect.is_transactional else "DATABASE()"
        query = f"SELECT table_name FROM information_schema.tables WHERE table_schema = {here}"
        return {str(name) for (name,) in _rows(connection, query)}


def _execute(connection: Any, statement: str) -> None:
    one = connection.createStatement()
    one.execute(statement)
    one.close()


def _rows(connection: Any, query: str) -> list[tuple[Any, ...]]:
    one = connection.createStatement()
    found = one.executeQuery(query)
    width = found.getMetaData().getColumnCount()
    rows = []
    while found.next():
        rows.append(tuple(found.getString(i + 1) for i in range(width)))
    one.close()
    return rows
