"""One row as the feed moves it: user, item and target side by side, 12 bytes; with a weight 16.

A batch takes its rows from all over the data. Side by side, a row costs one look into memory rather than three.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys_spark.kernels.arrays import F32, I32
from recsys_spark.training.recency import ToWeight
from recsys_spark.training.rows import TrainingRows

ToTarget = Callable[[F32], npt.NDArray[Any]]
"""From ratings f32[m] to what the network learns, [m], float32 or int32: each rating by itself."""

RECORD = np.dtype("<i4")
"""Of each field; the bits of targets and weights are kept as they are."""

FIELDS = 3
"""Without a weight."""


def target_type(to_target: ToTarget) -> np.dtype[Any]:
    """The type of the targets.

    Raises:
        TypeError: it is neither float32 nor int32.
    """
    dtype = to_target(np.zeros(1, np.float32)).dtype
    if dtype not in (np.float32, np.int32):
        raise TypeError(f"targets have to be float32 or int32, not {dtype}")
    return dtype


def fields_of(to_weight: ToWeight | None) -> int:
    """How many fields a record has: with weights one more."""
    return FIELDS + (to_weight is not None)


def packed(rows: TrainingRows, to_target: ToTarget, to_weight: ToWeight | None = None) -> I32:
    """Rows as records, i32[n, 3]: user, item, the target's bits; with weights i32[n, 4], their bits last."""
    records = np.empty((len(rows), fields_of(to_weight)), RECORD)
    start = 0
    for chunk in rows.chunks():
        some = records[start : start + len(chunk)]
        some[:, 0], some[:, 1], some[:, 2] = chunk.user, chunk.item, to_target(chunk.rating).view(np.int32)
        if to_weight is not None:
            assert chunk.day is not None
            some[:, 3] = to_weight(chunk.day).view(np.int32)
        start += len(chunk)
    return records


def unpacked(records: Any, dtype: np.dtype[Any]) -> tuple[Any, ...]:
    """Records as a network takes them.

    Args:
        records: a tensor i32[m, 3], or i32[m, 4].
        dtype: of the targets.

    Returns:
        Indices i32[m] of "user" and "item"; targets [m, 1]; weights f32[m], where there are some.
    """
    import tensorflow as tf

    target = records[:, 2:3]
    pair = {"user": records[:, 0], "item": records[:, 1]}, target if dtype == np.int32 else tf.bitcast(target, dtype)
    return pair if records.shape[1] == FIELDS else (*pair, tf.bitcast(records[:, 3], tf.float32))
