"""The tables by name: external tables of a catalog over the very folders that are read by path.

Delta: a name leads to a table's folder for ever, so the name and the path show the same at any moment. Parquet: a table
of the nights lies in another folder each night, and its name is moved there in one step of the metastore; a table with
a folder for each run is told of the runs that came and went. Nothing is ever dropped but such entries of old runs, and
no file is touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from recsys_spark import __version__
from recsys_spark.errors import ConfigError, DataError
from recsys_spark.layouts import OF_RUN
from recsys_spark.publishing.sink import Place
from recsys_spark.publishing.summary import gist
from recsys_spark.schemas import SCHEMA_VERSION, PinnedIds, TableSchema
from recsys_spark.spark_schema import to_spark
from recsys_spark.storage import Folder

KEY = "output.catalog"
OWN = "spark_catalog"
"""Spark's name for the session's own catalog."""

IN_MEMORY = "in-memory"
DELTA_CATALOG = "org.apache.spark.sql.delta.catalog.DeltaCatalog"

PROPERTIES = {"recsys.schema_version": SCHEMA_VERSION, "recsys.version": __version__}
"""Of every table: which schemas it has, and which version of this package has registered it."""


class _Entry(NamedTuple):
    """What the catalog says of a table."""

    columns: frozenset[str]
    kind: str
    location: str
    comment: str


class Catalog:
    """One schema of a catalog.

    Args:
        spark: a session that knows it.
        name: `catalog.schema`, or a schema of the session's current catalog.
        output: the folder that holds all tables.
        file_format: `delta` or `parquet`.
    """

    def __init__(self, spark: SparkSession, name: str, output: Folder, file_format: str) -> None:
        self._spark, self._output, self._format = spark, output, file_format
        catalog, _, schema = name.rpartition(".")
        self._catalog: str = catalog or spark.catalog.currentCatalog()
        self._schema = schema

    @property
    def name(self) -> str:
        """`catalog.schema`."""
        return f"{self._catalog}.{self._schema}"

    def prepare(self, tables: Mapping[str, str]) -> None:
        """Make the schema if it is missing, and refuse names that are taken.

        Args:
            tables: name and folder of every table that may be registered. A Parquet table may be found anywhere below
                the output.

        Raises:
            ConfigError: names would be gone with this session, the schema cannot be made, or a name leads elsewhere.
        """
        self._require_metastore()
        with self._told(ConfigError):
            if not self._spark.catalog.databaseExists(self._quoted()):
                self._spark.sql(f"CREATE SCHEMA IF NOT EXISTS {self._quoted()}")
            taken = {name: self._described(name) for name in sorted(self._names() & set(tables))}
        for name, entry in taken.items():
            self._require_own(name, entry, tables[name])

    def register(self, table: TableSchema, place: Place, ids: PinnedIds) -> str:
        """Make a name show what the path shows, if it does not already.

        Args:
            table: the table.
            place: where its files are.
            ids: the pinned types of ids.

        Returns:
            The whole name.

        Raises:
            ConfigError: the name leads elsewhere.
            DataError: the catalog refuses or does not answer; what it showed, it shows.
        """
        whole = self._quoted(table.name)
        with self._told(DataError):
            if table.name not in self._names():
                self._create(table, place, ids)
            entry = self._described(table.name)
        self._require_own(table.name, entry, place.location)
        with self._told(DataError):
            if self._format == "parquet":
                self._follow(table, place, ids, entry)
            found = {row["key"]: row["value"] for row in self._spark.sql(f"SHOW TBLPROPERTIES {whole}").collect()}
            wanted = PROPERTIES | ({"recsys.key": ", ".join(table.key)} if table.key else {})
            news = {key: value for key, value in wanted.items() if found.get(key) != value}
            if entry.comment != table.comment:
                news["comment"] = table.comment
            if news:
                self._spark.sql(f"ALTER TABLE {whole} SET TBLPROPERTIES ({_assigned(news)})")
        return f"{self.name}.{table.name}"

    def _create(self, table: TableSchema, place: Place, ids: PinnedIds) -> None:
        columns = parts = ""
        if self._format == "parquet":  # Delta's own log tells them
            columns = f"({_columns(table, ids)})"
            parts = "PARTITIONED BY (run_id)" if place.by_run else ""
        self._spark.sql(
            f"CREATE TABLE IF NOT EXISTS {self._quoted(table.name)} {columns} USING {self._format} {parts} "
            f"COMMENT {_text(table.comment)} LOCATION {_text(place.location)}"
        )

    def _follow(self, table: TableSchema, place: Place, ids: PinnedIds, entry: _Entry) -> None:
        """Lead a Parquet table to the files of now; the columns first, so that the new files lack none."""
        whole = self._quoted(table.name)
        missing = [column.name for column in table.columns if column.name not in entry.columns]
        if missing:
            self._spark.sql(f"ALTER TABLE {whole} ADD COLUMNS ({_columns(table, ids, only=missing)})")
        if place.by_run:
            rows = self._spark.sql(f"SHOW PARTITIONS {whole}").collect()
            known, there = {str(row[0]) for row in rows}, set(_runs(Folder(place.location)))
            if there - known:
                self._spark.sql(f"ALTER TABLE {whole} ADD IF NOT EXISTS {' '.join(_parts(there - known))}")
            if known - there:
                self._spark.sql(f"ALTER TABLE {whole} DROP IF EXISTS {', '.join(_parts(known - there))}")
        elif not _is_same(entry.location, place.location):
            self._spark.sql(f"ALTER TABLE {whole} SET LOCATION {_text(place.location)}")

    def _names(self) -> set[str]:
        rows = self._spark.sql(f"SHOW TABLES IN {self._quoted()}").collect()
        return {str(row["tableName"]) for row in rows if not row["isTemporary"]}

    def _described(self, name: str) -> _Entry:
        rows = self._spark.sql(f"DESCRIBE TABLE EXTENDED {self._quoted(name)}").collect()
        names = [str(row["col_name"]) for row in rows]
        first = next((i for i, found in enumerate(names) if not found or found.startswith("#")), len(names))
        details = {str(row["col_name"]): str(row["data_type"]) for row in rows[first:]}
        return _Entry(
            frozenset(names[:first]),
            details.get("Type", "table").lower(),
            details.get("Location", ""),
            details.get("Comment", ""),
        )

    def _require_metastore(self) -> None:
        conf = self._spark.conf
        is_own = self._catalog == OWN and conf.get(f"spark.sql.catalog.{OWN}", DELTA_CATALOG) == DELTA_CATALOG
        if is_own and conf.get("spark.sql.catalogImplementation", IN_MEMORY) == IN_MEMORY:
            raise ConfigError(
                KEY,
                expected="a session whose catalog outlives it",
                found=f"spark.sql.catalogImplementation={IN_MEMORY}: the names would be gone when the job ends",
                hint="--conf spark.sql.catalogImplementation=hive before JOB, and a metastore: docs/catalog.md",
            )

    def _require_own(self, name: str, entry: _Entry, location: str) -> None:
        """Refuse a table that is not one of ours: nothing of it is overwritten."""
        inside = entry.location.strip() != "" and _is_below(entry.location, str(self._output))
        if "view" not in entry.kind and (_is_same(entry.location, location) or (self._format == "parquet" and inside)):
            return
        raise ConfigError(
            KEY,
            expected=f"{self.name}.{name} to lead to {location}, or to be free",
            found=f"a {'view' if 'view' in entry.kind else 'table'} of that name in {entry.location or 'no folder'}",
            hint="name another schema, or drop or rename that table; it is left as it is",
        )

    def _quoted(self, *table: str) -> str:
        return ".".join(f"`{part}`" for part in (self._catalog, self._schema, *table))

    @contextmanager
    def _told(self, kind: type[ConfigError | DataError]) -> Iterator[None]:
        """What a catalog complains of, as an error of ours."""
        try:
            yield
        except (PySparkException, Py4JJavaError) as error:
            hint = "the job needs to know the catalog and a right to make schema and tables: docs/catalog.md"
            expected = f"the catalog to make tables in {self.name}"
            raise kind(KEY, expected=expected, found=gist(error).rstrip("."), hint=hint) from None


def _columns(table: TableSchema, ids: PinnedIds, *, only: list[str] | None = None) -> str:
    fields = (field for field in to_spark(table.arrow(ids)) if only is None or field.name in only)
    return ", ".join(
        f"`{field.name}` {field.dataType.simpleString()} COMMENT {_text(field.metadata['comment'])}" for field in fields
    )


def _runs(parts: Folder) -> list[str]:
    return [name for name in parts.children() if name.startswith(OF_RUN)]


def _parts(names: set[str]) -> list[str]:
    """Partitions, for a statement that adds or drops them."""
    return [f"PARTITION (run_id={_text(name.removeprefix(OF_RUN))})" for name in sorted(names)]


def _assigned(properties: Mapping[str, str]) -> str:
    return ", ".join(f"{_text(key)} = {_text(value)}" for key, value in properties.items())


def _text(value: str) -> str:
    """A literal of Spark's SQL."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _is_same(one: str, other: str) -> bool:
    return one != "" and _plain(one) == _plain(other)


def _is_below(place: str, folder: str) -> bool:
    return _plain(place).startswith(f"{_plain(folder)}/")


def _plain(location: str) -> str:
    """A location however it is written: with or without a scheme for local files, through links or not."""
    folder = Folder(location.strip())
    if folder.is_local:
        return str(Path(folder.location).resolve())
    return folder.location.replace("s3a://", "s3://", 1).rstrip("/")
