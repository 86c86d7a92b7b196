"""What is known of items or users, as columns in index order: numbers with gaps, and the categories of each row.

Read on the driver from the data set that an ingest stored, without Spark. Nothing is scaled or chosen here: that
depends on the rows of a fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recsys_spark.errors import DataError
from recsys_spark.ingest.settings import FeatureColumns
from recsys_spark.kernels.arrays import F32, I32, I64, Flags
from recsys_spark.storage import Folder

_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"

_FINITE = "finite numbers such as 12 or 3.5"

_ROWS_AT_ONCE = 1 << 16
"""Rows of one Arrow batch, whose attributes (all of them, also those not used) stand beside the columns."""


@dataclass(frozen=True, eq=False)
class Categories:
    """The categories of each row, none of them twice in a row.

    Args:
        offsets: i64[n + 1]; row r has `codes[offsets[r] : offsets[r + 1]]`.
        codes: i32[m], positions in `names`, ascending within a row.
        names: of the categories, sorted; each stands in some row.
    """

    offsets: I64
    codes: I32
    names: tuple[str, ...]

    @property
    def rows(self) -> I64:
        """The row of each code, i64[m]."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


@dataclass(frozen=True, eq=False)
class RawFeatures:
    """The features of all users or items by index, as they stand in the table.

    Args:
        n: users or items there are, with or without a rating or a known feature.
        columns: the settings that they were chosen by.
        numeric: f32[n] by name; NaN where the field is blank or no finite number.
        categories: by name.
    """

    n: int
    columns: FeatureColumns
    numeric: dict[str, F32]
    categories: dict[str, Categories]


def read_features(folder: Folder, side: Literal["user", "item"], columns: FeatureColumns, n: int) -> RawFeatures:
    """The chosen columns of the users' or the items' table, read without Spark.

    A number is written as `12`, `-3.5` or `1e6`, blanks around it do not count. All else is missing: blank fields,
    text such as `Unknown`, thousands separators (`1,234`), infinities, and what float32 cannot hold. A category is a
    field, or with a separator a piece of it, without the blanks around it; blank ones are left out.

    Args:
        folder: the data set `users` or `items` of an ingest.
        side: which of the two it is.
        columns: which columns, and how their fields are split.
        n: indices of the vocabulary: 0 .. n - 1. Of one without a row, a forgotten user's, nothing is known.

    Returns:
        On the driver, for each user or item 4 bytes by numeric and 8 by categorical column, and 4 for each of its
        categories (some 50 while they are read). Beside that, the attributes of 65,536 users or items at a time.

    Raises:
        DataError: a numeric column without any number, or a categorical one without any category.
    """
    stored = folder.parquet_files()
    numbers = {name: _Numbers(n) for name in columns.numeric}
    categories = {name: _Categories(n, columns.separators.get(name)) for name in columns.categorical}
    for index, fields in _batches(folder, stored, side, columns.names):
        for name in columns.numeric:
            numbers[name].add(index, fields[name])
        for name in columns.categorical:
            categories[name].add(index, fields[name])
    key = f"{side}s.features"
    return RawFeatures(
        n,
        columns,
        numeric={name: column.finished(f"{key}.numeric, column '{name}'") for name, column in numbers.items()},
        categories={name: c.finished(f"{key}.categorical, column '{name}'") for name, c in categories.items()},
    )


def has_features(raw: RawFeatures) -> Flags:
    """Which users or items have at least one known number or category, so that a vector can be made without ratings.

    Args:
        raw: their features.

    Returns:
        bool[n].
    """
    known = np.zeros(raw.n, np.bool_)
    for values in raw.numeric.values():
        known |= ~np.isnan(values)
    for categories in raw.categories.values():
        known |= np.diff(categories.offsets) > 0
    return known


class _Numbers:
    """A numeric column that is being read."""

    def __init__(self, n: int) -> None:
        self.values = np.full(n, np.nan, np.float32)
        self.unreadable: str | None = None

    def add(self, index: I32, fields: pa.Array) -> None:
        """Take the fields of some rows."""
        fields = _trimmed(fields)
        numbers = pc.if_else(pc.match_substring_regex(fields, _NUMBER), fields, None).cast(pa.float64())
        with np.errstate(over="ignore"):
            values = numbers.to_numpy(zero_copy_only=False).astype(np.float32)
        readable = np.isfinite(values)
        self.values[index[readable]] = values[readable]
        if self.unreadable is None:
            others = fields.filter(pa.array(~readable)).drop_null()
            self.unreadable = others[0].as_py() if len(others) else None

    def finished(self, subject: str) -> F32:
        """The column, f32[n]."""
        if np.isnan(self.values).all():
            if self.unreadable is None:
                raise _no_field(subject, expected=_FINITE)
            hint = "is it a category? A thousands separator, a unit or a currency makes a number unreadable"
            raise DataError(subject, expected=_FINITE, found=f"none, but for example {self.unreadable!r}", hint=hint)
        return self.values


class _Categories:
    """A categorical column that is being read: pairs of a row and a category, in the order in which they come."""

    def __init__(self, n: int, separator: str | None) -> None:
        self.n = n
        self.separator = separator
        self.rows: list[I32] = []
        self.values: list[pa.DictionaryArray] = []

    def add(self, index: I32, fields: pa.Array) -> None:
        """Take the fields of some rows."""
        rows = index
        if self.separator is not None:
            # not trimmed before: the separator may be a blank, or end with one
            pieces = pc.split_pattern(fields, pattern=self.separator)
            rows = index[pc.list_parent_indices(pieces).to_numpy()]
            fields = pc.list_flatten(pieces)
        fields = _trimmed(fields)
        self.rows.append(rows[fields.is_valid().to_numpy(zero_copy_only=False)])
        self.values.append(fields.drop_null().dictionary_encode())

    def finished(self, subject: str) -> Categories:
        """The categories by row: sorted names, each once in a row."""
        chunks = pa.chunked_array(self.values, pa.dictionary(pa.int32(), pa.string()))
        values = chunks.unify_dictionaries().combine_chunks()
        if not len(values):
            raise _no_field(subject, expected="at least one category")
        by_name = pc.array_sort_indices(values.dictionary)
        rank = np.empty(len(by_name), np.int64)
        rank[by_name.to_numpy()] = np.arange(len(by_name))
        # one number for a row and a category: sorted by row, repetitions gone
        pairs = np.unique(np.concatenate(self.rows) * np.int64(len(rank)) + rank[values.indices.to_numpy()])
        rows, codes = np.divmod(pairs, len(rank))
        offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=self.n))])
        names = tuple(values.dictionary.take(by_name).to_pylist())
        return Categories(offsets, codes.astype(np.int32), names)


def _batches(
    folder: Folder, stored: list[str], side: Literal["user", "item"], names: tuple[str, ...]
) -> Iterator[tuple[I32, dict[str, pa.Array]]]:
    """Some rows at a time: their indices, and their fields by name."""
    files, _ = folder.arrow
    for file in stored:
        with pq.ParquetFile(file, filesystem=files) as parquet:
            for batch in parquet.iter_batches(_ROWS_AT_ONCE, columns=[f"{side}_index", "title", "attributes"]):
                index = batch.column(f"{side}_index").to_numpy()
                yield index, {name: _field(batch, name) for name in names}


def _field(batch: pa.RecordBatch, name: str) -> pa.Array:
    if name == "title":
        return batch.column("title")
    return pc.map_lookup(batch.column("attributes"), pa.scalar(name), "first")


def _trimmed(fields: pa.Array) -> pa.Array:
    """Without the blanks around each field, null where nothing is left."""
    trimmed = pc.utf8_trim_whitespace(fields)
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)


def _no_field(subject: str, *, expected: str) -> DataError:
    hint = "is it the right column, and are the ids of this table those of the ratings?"
    return DataError(subject, expected=expected, found="only blank fields", hint=hint)
