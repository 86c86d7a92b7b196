"""One row as the feed moves it: user, item and target side by side, 12 bytes.

A batch takes its rows from all over the data. Side by side, a row costs one look into memory rather than three.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys_spark.kernels.arrays import F32, I32
from recsys_spark.training.rows import TrainingRows

ToTarget = Callable[[F32], npt.NDArray[Any]]
"""From ratings f32[m] to what the network learns, [m], float32 or int32: each rating by itself."""

RECORD = np.dtype("<i4")
"""Of each of the three fields; the target's bits are kept as they are."""

FIELDS = 3

RECORD_BYTES = FIELDS * RECORD.itemsize


def target_type(to_target: ToTarget) -> np.dtype[Any]:
    """The type of the targets.

    Raises:
        TypeError: it is neither float32 nor int32.
    """
    dtype = to_target(np.zeros(1, np.float32)).dtype
    if dtype not in (np.float32, np.int32):
        raise TypeError(f"targets have to be float32 or int32, not {dtype}")
    return dtype


def packed(rows: TrainingRows, to_target: ToTarget) -> I32:
    """Rows as records, i32[n, 3]: user, item, the target's bits."""
    records = np.empty((len(rows), FIELDS), RECORD)
    start = 0
    for chunk in rows.chunks():
        some = records[start : start + len(chunk)]
        some[:, 0], some[:, 1], some[:, 2] = chunk.user, chunk.item, to_target(chunk.rating).view(np.int32)
        start += len(chunk)
    return records


def unpacked(records: Any, dtype: np.dtype[Any]) -> tuple[dict[str, Any], Any]:
    """Records as a network takes them.

    Args:
        records: a tensor i32[m, 3].
        dtype: of the targets.

    Returns:
        Indices i32[m] of "user" and "item"; targets [m, 1].
    """
    import tensorflow as tf

    target = records[:, 2:]
    return {"user": records[:, 0], "item": records[:, 1]}, target if dtype == np.int32 else tf.bitcast(target, dtype)
