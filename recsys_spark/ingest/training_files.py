"""The stored training set, file by file, as columns in Python tasks.

Spark deals whole files out to tasks and pyarrow reads them there. Row by row, as Spark hands its own rows to Python, 20
million ratings take longer than scoring all pairs of their users and items.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.storage import Folder

_ROWS_AT_ONCE = 1 << 18


def training_files(ratings: DataFrame) -> DataFrame:
    """The files of the training set, one in a row: of a file system that tasks see the path, else the bytes.

    In the second case a task has the bytes of a file in memory, a few times: those of some tens of millions of bytes,
    as Spark cuts them.

    Args:
        ratings: nothing but a read of the stored training set.
    """
    # Spark gives URIs and takes paths
    spark, paths = ratings.sparkSession, [unquote(uri) for uri in ratings.inputFiles()]
    if not all(_is_local(path) for path in paths):
        return spark.read.format("binaryFile").load(paths).select("content")
    # nothing is listed or opened again: a task gets a number and looks its path up
    listed = F.from_json(F.lit(json.dumps(paths)), "array<string>")
    return spark.range(0, len(paths), 1, len(paths)).select(F.get(listed, F.col("id").cast("int")).alias("path"))


def columns_in(batches: Iterable[pa.RecordBatch], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The rows of files, in a task.

    Args:
        batches: rows of `training_files`.
        columns: of the training set, as its files name them: `user`, `item`, `rating`, `timestamp`, `part`. `part`
            comes as a dictionary.

    Returns:
        The rows in their order; no batch has rows of two files.
    """
    coded = [name for name in columns if name == "part"]
    for batch in batches:
        for found in batch.column(0):
            if pa.types.is_string(found.type):
                source = Folder(found.as_py()).location
            else:
                source = pa.BufferReader(found.as_buffer())
            with pq.ParquetFile(source, read_dictionary=coded, memory_map=True) as file:
                yield from file.iter_batches(_ROWS_AT_ONCE, columns=list(columns))


def _is_local(path: str) -> bool:
    return path.startswith("file:") or "://" not in path
