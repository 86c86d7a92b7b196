"""Where tables come from: one file per format, one line in `READERS`.

A reader gives back every row of its source, also those it could not split: the source's own columns, and

- `_malformed`: the line, where it does not have the columns of the others, else null;
- `_origin`: the file, or the table of a database, that the row came from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, FloatType

from recsys_spark.errors import ConfigError, DataError
from recsys_spark.ingest.location import is_glob, resolved
from recsys_spark.ingest.sources import delimited, delta, jdbc, parquet
from recsys_spark.ingest.sources.failures import SPARK_FAILURES, cannot_read, meaning
from recsys_spark.ingest.table_source import ColumnRef, TableSource

Reader = Callable[[SparkSession, TableSource, str], DataFrame]

READERS: Mapping[str, Reader] = {
    "csv": delimited.read,
    "parquet": parquet.read,
    "delta": delta.read,
    "jdbc": jdbc.read,
}

EXTRA_COLUMNS = ("_malformed", "_origin")


def open_table(spark: SparkSession, source: TableSource, section: str) -> DataFrame:
    """Every row of a source that its `where` keeps, with `_malformed` and `_origin`.

    Args:
        spark: the session.
        source: what to read and how.
        section: the settings' section, for messages.

    Returns:
        The source's columns and the two extra ones. Nothing has been read yet but names, and what tells the parts of a
        database's table apart.

    Raises:
        ConfigError: there is no path or URL, nothing lies there, or `where` does not fit the columns.
        DataError: it cannot be read as what it is said to be.
    """
    if not source.is_given:
        raise source.missing(section)
    place = source.place if source.format == "jdbc" else resolved(source.place)
    try:
        table = READERS[source.format](spark, source, place)
    except ConfigError as error:
        raise ConfigError(
            f"{section}.{error.subject}", expected=error.expected, found=error.found, hint=error.hint
        ) from None
    except AnalysisException as error:
        raise _unreadable(section, source, error) from None
    except SPARK_FAILURES as error:
        raise cannot_read(section, source, error) from error
    if source.where is None:
        return table
    try:
        return table.where(F.col("_malformed").isNotNull() | F.expr(source.where))
    except AnalysisException as error:
        names = ", ".join(c for c in table.columns if c not in EXTRA_COLUMNS)
        raise ConfigError(
            f"{section}.where",
            expected="a SQL condition over the source's columns",
            found=f"'{source.where}' ({_first_line(error)})",
            hint=f"the columns are: {names}",
        ) from None


def column_of(table: DataFrame, ref: ColumnRef, key: str) -> Column:
    """The column that a name or a position means, as text.

    Args:
        table: from `open_table`.
        ref: a name, or a position from 0.
        key: the configuration key that holds `ref`, for messages.

    Returns:
        The column as a string. Whole numbers in floating-point columns lose their `.0`, so that ids stay ids, and NaN,
        which is how a missing number is often written there, becomes null.

    Raises:
        ConfigError: there is no such column.
    """
    names = [name for name in table.columns if name not in EXTRA_COLUMNS]
    if isinstance(ref, int) and ref < len(names):
        name = names[ref]
    elif isinstance(ref, str) and ref in names:
        name = ref
    else:
        expected = "a column of the source" if isinstance(ref, str) else f"a position from 0 to {len(names) - 1}"
        raise ConfigError(key, expected=expected, found=repr(ref), hint=f"the source has: {', '.join(names)}")
    column = F.col(f"`{name.replace('`', '``')}`")
    if isinstance(table.schema[name].dataType, DoubleType | FloatType):
        whole = column.try_cast("long")
        number = F.when(whole.cast("double") == column, whole.cast("string")).otherwise(column.cast("string"))
        return F.when(~F.isnan(column), number)
    return column.cast("string")


def _unreadable(section: str, source: TableSource, error: AnalysisException) -> ConfigError | DataError:
    if source.format == "jdbc":
        return cannot_read(section, source, error)
    if "PATH_NOT_FOUND" in str(error):
        hint = f"check the spelling, or --set {section}.path=..."
        if is_glob(source.path or ""):
            hint += "; * ? [ and { make it a pattern, so that a file with one in its name is read through its folder"
        return ConfigError(
            f"{section}.path", expected="a file or folder", found=f"nothing at '{source.path}'", hint=hint
        )
    unforeseen = DataError(
        f"{section}.path", expected=f"{source.format} data", found=_first_line(error), hint=f"at {source.path}"
    )
    return meaning(section, source, str(error)) or unforeseen


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
