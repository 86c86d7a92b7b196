"""The most likely levels of classifiers, beside their expected ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.types import FloatType, StructField, StructType

from recsys_spark.kernels.levels import most_likely
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.scoring.shipping import shipped


def with_most_likely(pairs: DataFrame, scorers: Mapping[str, PairScorer]) -> DataFrame:
    """Add the most likely level that each scorer gives to each pair.

    Args:
        pairs: `user_index` int and `item_index` int, none null, each within the scorers.
        scorers: with levels, by the name of the column to add. None: the pairs stay as they are.

    Returns:
        The same rows with one float column for each scorer, in rating units.
    """
    if not scorers:
        return pairs
    fetch = shipped(pairs.sparkSession, dict(scorers))
    fields = StructType([StructField(name, FloatType()) for name in scorers])

    def found(batches: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.DataFrame]:
        by_name = fetch()
        for users, items in batches:
            u, i = users.to_numpy("int32"), items.to_numpy("int32")
            yield pd.DataFrame({name: most_likely(scorer, u, i) for name, scorer in by_name.items()})

    # the kind is found in the type hints, which pyspark's own stubs do not know
    find = pandas_udf(found, fields)  # type: ignore[call-overload]
    rows = pairs.withColumn("_levels", find("user_index", "item_index"))
    return rows.select(*pairs.columns, *(F.col(f"_levels.{name}").alias(name) for name in scorers))
