"""A connection of the driver's own, by the JDBC driver that Spark reads with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyspark.sql import SparkSession

from recsys_spark.database.address import Address


@contextmanager
def connected(spark: SparkSession, address: Address) -> Iterator[Any]:
    """A `java.sql.Connection`, closed again afterwards.

    Args:
        spark: a session with a JVM of its own.
        address: the database.

    Raises:
        Py4JJavaError: the driver is missing, or there is no connection.
    """
    context: Any = spark.sparkContext
    gateway, jvm = context._gateway, context._jvm
    # not DriverManager, which knows no drivers that came with --jars
    loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
    nothing = gateway.new_array(jvm.java.lang.Class, 0), gateway.new_array(jvm.java.lang.Object, 0)
    driver = loader.loadClass(address.dialect.driver).getDeclaredConstructor(nothing[0]).newInstance(nothing[1])
    properties = jvm.java.util.Properties()
    for key, value in address.login().items():
        properties.setProperty(key, value)
    connection = driver.connect(address.driver_url, properties)
    try:
        yield connection
    finally:
        connection.close()


def primary_key(connection: Any, table: str, quotation_mark: str) -> str | None:
    """The first column of a table's primary key.

    Args:
        connection: from `connected`.
        table: as it stands in SQL, perhaps with its schema or database before it.
        quotation_mark: around names.
    """
    *above, name = (part.strip(quotation_mark) for part in table.split("."))
    schema = above[-1] if above else None
    facts = connection.getMetaData()
    # MariaDB's databases are JDBC's catalogs, PostgreSQL's schemas are schemas
    is_catalog = quotation_mark == "`"
    catalog = (schema or connection.getCatalog()) if is_catalog else None
    rows = facts.getPrimaryKeys(catalog, None if is_catalog else schema or connection.getSchema(), name)
    first = None
    while rows.next():
        if rows.getInt("KEY_SEQ") == 1:
            first = str(rows.getString("COLUMN_NAME"))
    rows.close()
    return first
