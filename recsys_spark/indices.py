"""From ids, in the type that the source has, to indices and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys_spark.errors import DataError, NotFoundError
from recsys_spark.kernels.arrays import I32
from recsys_spark.nearest import nearest


class Indices:
    """The index of each user or item, as the tables `users` and `items` tell it.

    Args:
        side: `user` or `item`.
        ids: int64 or string.
        indices: i32, the index of each id.
    """

    def __init__(self, side: Literal["user", "item"], ids: pa.Array, indices: I32) -> None:
        self._side, self._ids, self._indices = side, ids, indices

    @classmethod
    def of_table(cls, side: Literal["user", "item"], rows: pa.Table) -> Self:
        """Of the columns `<side>_id`, `<side>_index`."""
        ids = rows[f"{side}_id"].combine_chunks()
        return cls(side, ids, rows[f"{side}_index"].to_numpy().astype(np.int32, copy=False))

    def of(self, ids: Sequence[Any]) -> I32:
        """The index of each id.

        Raises:
            NotFoundError: an id that no source has ever named.
            DataError: an id of another type.
        """
        try:
            given = pa.array(ids, self._ids.type)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            kind = self._ids.type
            raise DataError(f"{self._side}s", expected=f"ids of type {kind}", found=str(error)) from error
        rows = pc.index_in(given, value_set=self._ids)
        if rows.null_count:
            unknown = ids[rows.is_null().to_pylist().index(True)]
            near = nearest(unknown, self._ids.to_pylist())
            raise NotFoundError(
                f"{self._side} {unknown}",
                expected=f"{self._side}s of the table {self._side}s",
                found="none of that id",
                hint=f"the nearest are: {', '.join(map(str, near))}" if near else "",
            )
        found: I32 = self._indices[rows.to_numpy()]
        return found

    def ids(self, indices: I32) -> list[Any]:
        """The id of each index."""
        order = np.argsort(self._indices)
        rows = order[np.searchsorted(self._indices, indices, sorter=order)]
        found: list[Any] = self._ids.take(pa.array(rows)).to_pylist()
        return found
