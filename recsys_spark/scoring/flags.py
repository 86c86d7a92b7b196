"""What the driver knows of each index, as a column."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql.pandas.functions import pandas_udf

from recsys_spark.kernels.arrays import Flags
from recsys_spark.scoring.shipping import shipped


def with_flag(rows: DataFrame, name: str, flags: Flags, *, index: str) -> DataFrame:
    """Add a flag to each row.

    Args:
        rows: a column of indices, none null, each within the flags.
        name: of the boolean column to add.
        flags: bool[n], by index.
        index: the column of indices.
    """
    fetch = shipped(rows.sparkSession, flags)

    def looked_up(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        flags = fetch()
        for indices in batches:
            yield pd.Series(flags[indices.to_numpy()])

    # the kind is found in the type hints, which pyspark's own stubs do not know
    look_up = pandas_udf(looked_up, "boolean")  # type: ignore[call-overload]
    return rows.withColumn(name, look_up(index))
