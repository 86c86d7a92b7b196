"""A first look at the inputs without Spark, so that a wrong path or separator is told in a second.

Only local files are looked at; for remote ones and databases the job itself finds out.
"""

from __future__ import annotations

import gzip
import itertools
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_spark.errors import ConfigError, DataError, RecsysError
from recsys_spark.ingest.lines import LINES, split, usual_width
from recsys_spark.ingest.location import local_files, resolved
from recsys_spark.ingest.table_source import ColumnRef, TableSource

FILES = 20
"""Parquet files whose columns are looked at."""

OPENED_BY_SPARK = (".bz2", ".deflate", ".lz4", ".snappy", ".zst")
"""Compressed text that Spark can read and this look does not."""


def input_problems(source: TableSource, columns: Mapping[str, ColumnRef | None], section: str) -> Iterator[RecsysError]:
    """What is wrong with a source, as far as its first lines or its schema tell.

    Args:
        source: the settings; they name a table.
        columns: role -> column, as configured.
        section: of the settings, for messages.
    """
    files = None if source.format == "jdbc" else local_files(source.path or "")
    if files is None:
        return
    if not files:
        hint = f"--set {section}.path=... takes a file, a folder or a glob"
        yield ConfigError(
            f"{section}.path", expected="a file or folder", found=f"nothing at '{source.path}'", hint=hint
        )
        return
    try:
        names = _column_names(source, files, section)
    except RecsysError as error:
        yield error
        return
    except OSError as error:
        found = f"{error.strerror or error} ({files[0].name})"
        yield ConfigError(f"{section}.path", expected="a file that can be read", found=found)
        return
    missing = {
        role: ref
        for role, ref in columns.items()
        if ref is not None and names is not None and not (ref in names if isinstance(ref, str) else ref < len(names))
    }
    if names is not None and len(names) == 1 and len(missing) > 1 and source.format == "csv":
        first = first_lines(files[0], source.encoding, section)[0][:60]
        hint = "columns are missing because no line is split; is the separator another?"
        found = f"{source.separator!r}, which does not stand in {first!r}"
        yield ConfigError(f"{section}.separator", expected="what stands between two columns", found=found, hint=hint)
        return
    for role, ref in missing.items():
        yield _missing_column(source, f"{section}.columns.{role}", ref, names or [])


def _missing_column(source: TableSource, key: str, ref: ColumnRef, names: list[str]) -> ConfigError:
    expected = "a column of the source" if isinstance(ref, str) else f"a position from 0 to {len(names) - 1}"
    hint = f"the source has: {', '.join(names[:30])}"
    if isinstance(ref, str) and not source.header and source.format == "csv":
        hint = "without a header columns are given by position, from 0"
    return ConfigError(key, expected=expected, found=repr(ref), hint=hint)


def _column_names(source: TableSource, files: list[Path], section: str) -> list[str] | None:
    if source.format == "delta":
        if not (Path(resolved(source.path or "")) / "_delta_log").is_dir():
            raise ConfigError(f"{section}.path", expected="a Delta table", found=f"no _delta_log in '{source.path}'")
        return None  # which columns count stands in its log; Spark reads that
    if source.format == "parquet":
        partitions = [part.partition("=")[0] for part in files[0].parts if "=" in part]
        names = (name for file in files[:FILES] for name in _parquet_columns(file, section))
        return list(dict.fromkeys([*names, *partitions]))
    return _text_columns(source, files, section)


def _parquet_columns(file: Path, section: str) -> list[str]:
    try:
        return list(pq.read_schema(file).names)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # it cannot be opened; what is in it, pyarrow tells without a number
        found = f"{file.name}: {' '.join(str(error).split())}"
        raise DataError(f"{section}.path", expected="Parquet", found=found) from None


def _text_columns(source: TableSource, files: list[Path], section: str) -> list[str] | None:
    for file in files:
        if file.suffix in OPENED_BY_SPARK:
            return None
        lines = first_lines(file, source.encoding, section)
        if lines:
            _refuse_wide_characters(lines[0], file, source.encoding, section)
            if source.header:
                return named_as_by_spark(split(lines[0], source))
            return [f"_c{i}" for i in range(usual_width(lines, source))]
    raise DataError(f"{section}.path", expected="at least one line", found=f"'{source.path}' is empty")


def first_lines(file: Path, encoding: str, section: str) -> list[str]:
    """The first lines of a file, decompressed and decoded, without blank ones."""
    opening = gzip.open if file.suffix == ".gz" else open
    # Spark skips a byte order mark, too
    codec = "utf-8-sig" if encoding == "UTF-8" else encoding
    try:
        with opening(file, "rt", encoding=codec) as text:
            return [line.rstrip("\n") for line in itertools.islice(text, LINES) if line.strip()]
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        hint = "was it cut short while it was copied?"
        raise DataError(
            f"{section}.path", expected="a sound gzip file", found=f"{file.name}: {error}", hint=hint
        ) from None
    except UnicodeDecodeError as error:
        found = f"{file.name}: {error.reason} at byte {error.start}"
        hint = f"set {section}.encoding, for example ISO-8859-1"
        raise DataError(f"{section}.path", expected=f"text in {encoding}", found=found, hint=hint) from None


def _refuse_wide_characters(line: str, file: Path, encoding: str, section: str) -> None:
    """Refuse UTF-16 without a byte order mark, of which every other byte is zero."""
    if line.count("\0") > len(line) // 3:
        hint = "is it UTF-16? Write it as UTF-8, such as with iconv -f UTF-16LE -t UTF-8"
        found = f"{file.name}, where every other byte is zero"
        raise DataError(f"{section}.path", expected=f"text in {encoding}", found=found, hint=hint)


def named_as_by_spark(header: list[str]) -> list[str]:
    """The names that Spark gives to columns: blank ones become `_c<position>`, repeated ones get their position."""
    known = [name.lower() for name in header]
    repeated = {name for name in known if known.count(name) > 1}
    return [
        f"_c{i}" if not name else f"{name}{i}" if name.lower() in repeated else name for i, name in enumerate(header)
    ]
