"""Arrays as kernels take them.

numba compiles a function once for each combination of argument types, and read-only, writable and unaligned arrays are
different types to it. Inputs therefore always go in as aligned, C-contiguous, read-only views: one compilation each.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from recsys_spark.errors import DataError

Value = TypeVar("Value", bound=np.generic)

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def read_only(array: npt.NDArray[Value]) -> npt.NDArray[Value]:
    """The same numbers, C-contiguous, aligned and read-only; a view where the array already is that."""
    view = np.require(array, requirements=("C", "A")).view()
    view.flags.writeable = False
    return view


def indices(values: npt.NDArray[np.integer], *, below: int, subject: str) -> I32:
    """Check indices and return them as a read-only int32 array.

    Args:
        values: any one-dimensional integer array.
        below: the first index that is too large.
        subject: what they index, for the error.

    Raises:
        DataError: the array is not one-dimensional or not of integers, or an index lies outside 0 .. below - 1.
    """
    values = np.asarray(values)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise DataError(
            subject,
            expected="a one-dimensional array of integers",
            found=f"{values.ndim} dimensions of {values.dtype}",
        )
    if values.size and (int(values.min()) < 0 or int(values.max()) >= below):
        position = int(np.flatnonzero((values < 0) | (values >= below))[0])
        raise DataError(
            subject,
            expected=f"indices from 0 to {below - 1}" if below else "no index at all: the scorer knows none",
            found=f"{int(values[position])} at position {position}",
            hint="an id that the model was not fitted on has no index; leave it out or give it a fallback",
        )
    return read_only(values.astype(np.int32, copy=False))
