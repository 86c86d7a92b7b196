"""Times as days, which is all that weights by age need."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

MICROSECONDS_OF_A_DAY = 86_400e6


def days_of(timestamps: pa.Array) -> npt.NDArray[np.float32]:
    """Days since 1970 (UTC), to some minutes: f32[n], NaN where there is no time."""
    seconds = timestamps.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    days = pc.divide(seconds.cast(pa.float64()), MICROSECONDS_OF_A_DAY)
    found: npt.NDArray[np.float32] = pc.fill_null(days, float("nan")).to_numpy().astype(np.float32)
    return found
