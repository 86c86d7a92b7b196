"""Lists as they leave a kernel, turned to the columns in which they are staged."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from recsys_spark.kernels.lists import TopN
from recsys_spark.kernels.scorer import PairScorer


def entries(found: TopN, ids: pa.Array, scorer: PairScorer) -> list[pa.Array]:
    """The columns of some lists, one row for each list.

    Args:
        found: one list for each user of the kernel's.
        ids: the id of every index that may be in a list.
        scorer: whose scores they are.

    Returns:
        The lists of ids, of indices and of published scores; whether all scores were finite; the kernel, and how many
        pairs it has scored.
    """
    inside = np.arange(found.items.shape[1]) < found.counts[:, None]
    starts = pa.array(np.concatenate(([0], np.cumsum(found.counts))), pa.int32())
    indices = pa.array(found.items[inside])
    return [
        pa.ListArray.from_arrays(starts, ids.take(indices)),
        pa.ListArray.from_arrays(starts, indices),
        pa.ListArray.from_arrays(starts, pa.array(scorer.published(found.scores[inside]))),
        pa.array(found.finite),
        pa.array(np.where(found.screened, "screen", "plain")),
        pa.array(found.scored),
    ]
