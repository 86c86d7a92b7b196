"""Which items may be in a list at all: a SQL condition over the items' table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.errors import ConfigError, DataError
from recsys_spark.ingest.sources.failures import SPARK_FAILURES
from recsys_spark.kernels.arrays import I32

KEY = "scoring.items_allowed"

OWN_COLUMNS = ("item_id", "title", "n_ratings", "first_seen_run")
"""What a condition may name beside the attributes."""


def allowed_items(items: DataFrame, attributes: Sequence[str], condition: str) -> I32:
    """The items that a condition allows. The driver collects an index for each.

    Args:
        items: `item_index`, `OWN_COLUMNS`, and `attributes`, a map of text.
        attributes: the names that the map may hold; each is a column for the condition.
        condition: SQL; an item for which it is null is not allowed.

    Returns:
        Their indices, ascending.

    Raises:
        ConfigError: the condition is none, or names a column that is not there.
        DataError: the condition fails for some item, or allows none.
    """
    named = items.select(
        F.col("item_index").alias("_index"),
        *OWN_COLUMNS,
        *(F.col("attributes")[name].alias(name) for name in attributes),
    )
    try:
        # as a column, not as a filter: a filter would also find columns that have not been chosen
        answered = named.select("_index", F.expr(condition).alias("_allowed")).where("_allowed").select("_index")
    except AnalysisException as error:
        raise ConfigError(
            KEY,
            expected="a SQL condition over the items' table",
            found=f"'{condition}' ({_first_line(error)})",
            hint=f"the columns are: {', '.join((*OWN_COLUMNS, *attributes))}",
        ) from None
    try:
        found = answered.toArrow()["_index"].to_numpy()
    except SPARK_FAILURES as error:
        raise _cannot_answer(condition, error) from error
    if not len(found):
        raise DataError(KEY, expected="a condition that allows at least one item", found=f"none for '{condition}'")
    return np.sort(found).astype(np.int32)


def among_allowed(candidates: I32, allowed: I32) -> I32:
    """The candidates that are allowed, both ascending.

    Raises:
        DataError: no candidate is left.
    """
    left = np.intersect1d(candidates, allowed, assume_unique=True)
    if not len(left):
        found = f"none: the {len(allowed):,} items allowed are not among the {len(candidates):,} that have a vector"
        raise DataError(KEY, expected="a condition that leaves at least one candidate", found=found)
    return left


def _cannot_answer(condition: str, error: Exception) -> DataError:
    hint = ""
    if "CAST_INVALID_INPUT" in str(error):
        hint = "attributes are text: write try_cast(column AS int) where not every value is a number"
    return DataError(
        KEY,
        expected="a condition that every item can answer",
        found=f"'{condition}' ({_first_line(error)})",
        hint=hint,
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
