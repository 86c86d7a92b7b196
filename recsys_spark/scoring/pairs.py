"""The scores of a given table of pairs, by the same scorer as the lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.types import FloatType, StructField, StructType

from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.scoring.shipping import shipped


def score_pairs(pairs: DataFrame, scorers: Mapping[str, PairScorer]) -> DataFrame:
    """Add to each pair the score of each scorer, clipped where the scorer clips.

    Args:
        pairs: `user_index` int and `item_index` int, none null, each within the scorers.
        scorers: by the name of the column to add.

    Returns:
        The same rows with one float column for each scorer.

    Example:
        >>> score_pairs(ratings, {"predicted": artefact.scorers["main"]}).show()
    """
    fetch = shipped(pairs.sparkSession, dict(scorers))
    fields = StructType([StructField(name, FloatType()) for name in scorers])

    def scored(batches: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.DataFrame]:
        by_name = fetch()
        for users, items in batches:
            u, i = users.to_numpy("int32"), items.to_numpy("int32")
            yield pd.DataFrame({name: scorer.published(scorer.score(u, i)) for name, scorer in by_name.items()})

    # the kind is found in the type hints, which pyspark's own stubs do not know
    score = pandas_udf(scored, fields)  # type: ignore[call-overload]
    rows = pairs.withColumn("_scores", score("user_index", "item_index"))
    return rows.select(*pairs.columns, *(F.col(f"_scores.{name}").alias(name) for name in scorers))
