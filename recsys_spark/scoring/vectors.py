"""One side of a scorer as rows of a table: the vector of each id, taken on the executors from the shipped arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from recsys_spark.kernels.arrays import F32, Flags
from recsys_spark.scoring.shipping import shipped
from recsys_spark.spark_schema import to_spark

_NUMBERS_AT_ONCE = 1 << 22
"""Numbers in a batch that a task gives back: 16 MB."""


@dataclass(frozen=True, eq=False)
class SideVectors:
    """The users' or the items' part of a scorer.

    Args:
        vectors: f32[n, k].
        bias: f32[n]; none: the scorer has none.
        known: bool[n], of whom the model has learnt something.
    """

    vectors: F32
    bias: F32 | None
    known: Flags


def vector_rows(ids: DataFrame, side: SideVectors) -> DataFrame:
    """The vectors of those whom the model knows.

    Args:
        ids: two columns, an id and its index.
        side: their vectors; each node gets it whole, in a file that its workers map.

    Returns:
        The id under its own name, `vector` array<float>, `bias` float, null where the scorer has none. As many
        partitions as `ids` has, without a shuffle.
    """
    fetch = shipped(ids.sparkSession, side)
    name, index = ids.columns
    width = int(side.vectors.shape[1])
    kind = {"string": pa.string(), "bigint": pa.int64()}[dict(ids.dtypes)[name]]
    schema = pa.schema([(name, kind), ("vector", pa.list_(pa.float32())), ("bias", pa.float32())])
    at_once = max(1, _NUMBERS_AT_ONCE // max(width, 1))

    def rows(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        side = fetch()
        for batch in batches:
            known = batch.filter(pa.array(side.known[batch.column(index).to_numpy()]))
            for start in range(0, known.num_rows, at_once):
                yield _rows(known.slice(start, at_once), index, side, schema)

    return ids.mapInArrow(rows, to_spark(schema))


def _rows(some: pa.RecordBatch, index: str, side: SideVectors, schema: pa.Schema) -> pa.RecordBatch:
    places = some.column(index).to_numpy()
    vectors = side.vectors[places]
    starts = np.arange(len(places) + 1, dtype=np.int32) * vectors.shape[1]
    columns = [
        some.column(0).cast(schema.field(0).type),
        pa.ListArray.from_arrays(pa.array(starts, pa.int32()), pa.array(vectors.reshape(-1))),
        pa.nulls(len(places), pa.float32()) if side.bias is None else pa.array(side.bias[places]),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
