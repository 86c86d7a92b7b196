"""Features as columns of a network's sides: scaled numbers, and flags for categories.

An encoder is fitted on the items (users) that have a rating among the rows of one fit, each of them once, and on no
others: what is only known of held-out items must not leak into the fit. Then it transforms all of them, so that a new
item with features has columns as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from recsys_spark.errors import DataError
from recsys_spark.ingest.features import Categories, RawFeatures
from recsys_spark.ingest.settings import FeatureColumns
from recsys_spark.kernels.arrays import F32, I32, Flags
from recsys_spark.models.sides import Side
from recsys_spark.training.fitted import present

OTHER = "other"
"""The category that stands for those without a column of their own."""

QUANTILES = 1000
"""Landmarks of a quantile scaling, or as many as there are values; between them it is linear."""


class KnownOf(NamedTuple):
    """How the features of one side become columns in a fit."""

    raw: RawFeatures
    """Of all users (items)."""

    encoder: FeatureEncoder
    """Fitted on those with a rating in the fit."""

    def columns(self) -> F32:
        """The columns of all, f32[n, f]."""
        return self.encoder.transform(self.raw)


def known_of(raw: RawFeatures | None, index: I32, n: int, side: Side) -> KnownOf | None:
    """Fit the encoder of one side on those with a row in a fit, and on no others.

    Args:
        raw: features of all users (items); none: nothing is known of them.
        index: i32[rows], the users (items) of the fit's rows.
        n: users (items) there are, with or without a row.
        side: which of both, for the error.

    Returns:
        None where nothing is known.

    Raises:
        DataError: features of another number of users (items).
    """
    if raw is None:
        return None
    if raw.n != n:
        raise DataError(f"features of {side}s", expected=f"those of {n:,} {side}s", found=f"{raw.n:,}")
    return KnownOf(raw, FeatureEncoder.fit(raw, present(index, n), raw.columns))


@dataclass(frozen=True, eq=False)
class FeatureEncoder:
    """Turns features into columns, numbers first, each in the order of the settings.

    Args:
        fitted_on: how many items (users) it was fitted on.
        numbers: those with a known value among them.
        categories: those with a category among them.

    Example:
        >>> FeatureEncoder.fit(raw, present, columns).names
        ('episodes', 'episodes_missing', 'type=Movie', 'type=TV', 'genres=Comedy', 'genres=other')
    """

    fitted_on: int
    numbers: tuple[NumericColumn, ...]
    categories: tuple[CategoricalColumn, ...]

    @classmethod
    def fit(cls, raw: RawFeatures, present: Flags, columns: FeatureColumns) -> Self:
        """Learn scalings and categories; a column of which nothing is known among the present ones gives no columns.

        Args:
            raw: the features of all.
            present: bool[n], those that the fit has a rating of.
            columns: how numbers are scaled, and how many categories get a column.
        """
        numbers = [NumericColumn.fit(name, raw.numeric[name][present], columns.scaling) for name in columns.numeric]
        categories = [
            CategoricalColumn.fit(name, raw.categories[name], present, columns.max_categories)
            for name in columns.categorical
        ]
        return cls(
            int(np.count_nonzero(present)),
            tuple(column for column in numbers if column is not None),
            tuple(column for column in categories if column is not None),
        )

    @property
    def _columns(self) -> tuple[NumericColumn | CategoricalColumn, ...]:
        return (*self.numbers, *self.categories)

    @property
    def names(self) -> tuple[str, ...]:
        """One name for each column of what `transform` returns."""
        return tuple(name for column in self._columns for name in column.names)

    def transform(self, raw: RawFeatures) -> F32:
        """The columns of all items (users), f32[n, f], finite and C-contiguous.

        Beside the result this takes about 60 bytes for each of them while a number is scaled.

        Args:
            raw: features of the same columns, maybe of other items (users) or another night.
        """
        encoded = np.zeros((raw.n, len(self.names)), np.float32)
        start = 0
        for number in self.numbers:
            number.fill(raw.numeric[number.name], encoded[:, start:])
            start += len(number.names)
        for category in self.categories:
            category.fill(raw.categories[category.name], encoded[:, start:])
            start += len(category.names)
        return encoded

    def describe(self) -> dict[str, Any]:
        """What was fitted, as plain values for a manifest."""
        columns = [column.describe() for column in self._columns]
        return {"fitted_on": self.fitted_on, "names": list(self.names), "columns": columns}


@dataclass(frozen=True, eq=False)
class NumericColumn:
    """A number as one column, or two: its scaled value, and whether it is missing.

    Values beyond those of the fit count as the nearest of them, so that an outlier among new items cannot blow up. A
    missing one takes the middle: 0.5 of quantiles, 0 of standard scaling. The second column exists if a value is
    missing among those of the fit: else no rating would say what a missing value means.

    Args:
        name: of the column.
        scaling: quantile or standard.
        lowest: value of the fit.
        highest: value of the fit.
        known: values of the fit that are known.
        missing: values of the fit that are missing.
        scale: f64[m, 1], values from lowest to highest, to their scaled values.
    """

    name: str
    scaling: str
    lowest: float
    highest: float
    known: int
    missing: int
    scale: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]] = field(repr=False)

    @classmethod
    def fit(cls, name: str, values: F32, scaling: str) -> NumericColumn | None:
        """The scaling of some values; none if all of them are missing."""
        from sklearn.preprocessing import QuantileTransformer, StandardScaler

        known = values[~np.isnan(values)].astype(np.float64)
        if not len(known):
            return None
        if scaling == "quantile":
            # all values, never a random sample of them
            scaler = QuantileTransformer(n_quantiles=min(QUANTILES, len(known)), subsample=None)
        else:
            scaler = StandardScaler()
        scaler.fit(known[:, None])
        missing = len(values) - len(known)
        return cls(name, scaling, float(known.min()), float(known.max()), len(known), missing, scaler.transform)

    @property
    def names(self) -> tuple[str, ...]:
        """Of its columns."""
        return (self.name, f"{self.name}_missing") if self.missing else (self.name,)

    def fill(self, values: F32, out: F32) -> None:
        """Write the columns of f32[n] values into the first columns of `out`."""
        known = ~np.isnan(values)
        out[:, 0] = 0.5 if self.scaling == "quantile" else 0
        if known.any():
            within = np.clip(values[known].astype(np.float64), self.lowest, self.highest)
            out[known, 0] = self.scale(within[:, None])[:, 0]
        if self.missing:
            out[:, 1] = ~known

    def describe(self) -> dict[str, Any]:
        """Plain values for a manifest."""
        told = ("name", "scaling", "lowest", "highest", "known", "missing")
        return {"kind": "numeric"} | {key: getattr(self, key) for key in told}


@dataclass(frozen=True, eq=False)
class CategoricalColumn:
    """Categories as flags, 0 or 1, one column each, whether a field holds one of them or several.

    Flags are not divided by how many categories a row has: so the weight of a genre is the same whatever else is said
    of the item, as with the genre flags that MovieLens publishes. No category at all: all flags 0. A category that
    the fit has not seen counts as `other` if there is such a column, else as nothing.

    Args:
        name: of the column.
        chosen: categories that have a column, sorted, `other` last.
        sharing: how many categories of the fit have none and share `other`.
    """

    name: str
    chosen: tuple[str, ...]
    sharing: int

    @classmethod
    def fit(cls, name: str, categories: Categories, present: Flags, most: int) -> CategoricalColumn | None:
        """The most frequent categories among those present, ties by name; none if there is no category at all."""
        counts = np.bincount(categories.codes[present[categories.rows]], minlength=len(categories.names))
        frequent = np.argsort(-counts, kind="stable")  # names are sorted
        seen = [categories.names[code] for code in frequent[: np.count_nonzero(counts)]]
        if not seen:
            return None
        sharing = len(seen[most:])
        # a category that is itself called so means just that
        other = (OTHER,) if sharing or OTHER in seen else ()
        return cls(name, (*sorted(set(seen[:most]) - {OTHER}), *other), sharing)

    @property
    def names(self) -> tuple[str, ...]:
        """Of its columns."""
        return tuple(f"{self.name}={category}" for category in self.chosen)

    def fill(self, categories: Categories, out: F32) -> None:
        """Write the flags of some rows into the first columns of `out`."""
        position = {category: at for at, category in enumerate(self.chosen)}
        elsewhere = position.get(OTHER, -1)
        columns = np.array([position.get(category, elsewhere) for category in categories.names], np.int64)
        column = columns[categories.codes]
        out[categories.rows[column >= 0], column[column >= 0]] = 1

    def describe(self) -> dict[str, Any]:
        """Plain values for a manifest."""
        return {
            "kind": "categorical",
            "name": self.name,
            "categories": list(self.chosen),
            "sharing_other": self.sharing,
        }
