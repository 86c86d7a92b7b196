"""What it means, in words, when Spark cannot read a source."""

from __future__ import annotations

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException

from recsys_spark.database.failures import what_it_means
from recsys_spark.errors import ConfigError, DataError
from recsys_spark.ingest.table_source import TableSource

SPARK_FAILURES = (PySparkException, Py4JJavaError)
"""What an action may raise: failed tasks arrive as the plain Java error."""

_SAME_HEADER = ("the same header in every file", "do all files of the source have the same columns?")
_WHOLE_GZIP = ("a gzip file that ends where it should", "was it cut short while it was copied?")
_SOUND_GZIP = ("a sound gzip file", "is it damaged, or not compressed at all?")

_MEANINGS = {
    "CSV header does not conform": _SAME_HEADER,
    "Number of column in CSV header": _SAME_HEADER,
    "EOFException": _WHOLE_GZIP,
    "ZipException": _SOUND_GZIP,
    "not a gzip file": _SOUND_GZIP,
    "incorrect header check": _SOUND_GZIP,
    "ZlibDecompressor": _SOUND_GZIP,
    "BuiltInGzipDecompressor": _SOUND_GZIP,
    "out of bounds for length 20480": (
        "at most 20,480 columns in a line",
        "is the file damaged, or does something else end its lines?",
    ),
    "TIMESTAMP(NANOS": (
        "Parquet whose times are in microseconds or milliseconds",
        "in pandas: to_parquet(..., coerce_timestamps='us', allow_truncated_timestamps=True)",
    ),
    "CANNOT_READ_FILE_FOOTER": ("Parquet files", "is the format right, and are all files whole?"),
}


def cannot_read(section: str, source: TableSource, error: Exception) -> ConfigError | DataError:
    """The error to raise instead of Spark's.

    Args:
        section: the settings' section, for the message.
        source: what was read.
        error: one of `SPARK_FAILURES`.
    """
    text = str(error)
    if source.format == "jdbc" and "CAST_INVALID_INPUT" not in text:
        return what_it_means(section, source.address, f"{text}\n{_causes(error)}")
    if source.where is not None and "CAST_INVALID_INPUT" in text:
        hint = "columns of delimited text are text: write try_cast(column AS double) where not every value is a number"
        found = f"'{source.where}' ({text.splitlines()[0][:160]})"
        return DataError(f"{section}.where", expected="a condition that every row can answer", found=found, hint=hint)
    known = meaning(section, source, text)
    if known is not None:
        return known
    causes = [line.removeprefix("Caused by: ") for line in text.splitlines() if line.startswith("Caused by: ")]
    lines = [line for line in text.strip().splitlines() if not line.startswith("An error occurred while calling")]
    found = (causes[-1] if causes else lines[0] if lines else "no reason given").strip(" :")[:200]
    return DataError(f"{section}.path", expected=f"{source.format} that can be read to its end", found=found)


def _causes(error: Exception) -> str:
    """What the JVM gives as causes of an error whose own text does not name them."""
    trace = str(getattr(error, "_stackTrace", ""))
    return "\n".join(line for line in trace.splitlines() if line.startswith("Caused by: "))


def meaning(section: str, source: TableSource, text: str) -> DataError | None:
    """The error that a text of Spark's means; none if nobody foresaw it."""
    for mark, (expected, hint) in _MEANINGS.items():
        if mark in text:
            return DataError(f"{section}.path", expected=expected, found=f"'{source.path}', which is not", hint=hint)
    return None
