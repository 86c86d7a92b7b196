"""Which items may be in a list: SQL conditions over the items' table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.errors import ConfigError, DataError
from recsys_spark.ingest.sources.failures import SPARK_FAILURES
from recsys_spark.kernels.arrays import I32

ITEMS_ALLOWED = "scoring.items_allowed"

OWN_COLUMNS = ("item_id", "title", "n_ratings", "first_seen_run")
"""What a condition may name beside the attributes."""

_CONDITIONS_AT_ONCE = 64


def items_where(items: DataFrame, attributes: Sequence[str], conditions: Mapping[str, str]) -> dict[str, I32]:
    """The items for which each of some conditions holds. The driver collects a bit for each item and condition.

    Args:
        items: `item_index`, `OWN_COLUMNS`, and `attributes`, a map of text.
        attributes: the names that the map may hold; each is a column for the conditions.
        conditions: SQL, by the settings' key that it stands under; it does not hold for an item for which it is null.

    Returns:
        Their indices, ascending, by the same keys.

    Raises:
        ConfigError: a condition is none, or names a column that is not there.
        DataError: a condition fails for some item, or holds for none.
    """
    named = items.select(
        F.col("item_index").alias("_index"),
        *OWN_COLUMNS,
        *(F.col("attributes")[name].alias(name) for name in attributes),
    )
    keys, found = list(conditions), dict[str, I32]()
    for start in range(0, len(keys), _CONDITIONS_AT_ONCE):
        some = {key: conditions[key] for key in keys[start : start + _CONDITIONS_AT_ONCE]}
        found |= _answers(named, attributes, some)
    for key, indices in found.items():
        if not len(indices):
            raise DataError(key, expected="a condition that holds for an item", found=f"none for '{conditions[key]}'")
    return found


def among_allowed(candidates: I32, allowed: I32) -> I32:
    """The candidates that are allowed, both ascending.

    Raises:
        DataError: no candidate is left.
    """
    left = np.intersect1d(candidates, allowed, assume_unique=True)
    if not len(left):
        found = f"none: the {len(allowed):,} items allowed are not among the {len(candidates):,} that have a vector"
        raise DataError(ITEMS_ALLOWED, expected="a condition that leaves at least one candidate", found=found)
    return left


def _answers(named: DataFrame, attributes: Sequence[str], conditions: Mapping[str, str]) -> dict[str, I32]:
    try:
        # as columns, not as filters: a filter would also find columns that have not been chosen
        answers = [_truth(condition).alias(f"_{number}") for number, condition in enumerate(conditions.values())]
        table = named.select("_index", *answers).toArrow()
    except (AnalysisException, *SPARK_FAILURES) as error:
        if len(conditions) > 1:  # one by one, to find which
            return {
                key: indices
                for key, condition in conditions.items()
                for indices in _answers(named, attributes, {key: condition}).values()
            }
        [(key, condition)] = conditions.items()
        if isinstance(error, AnalysisException):
            raise _is_no_condition(key, condition, attributes, error) from None
        raise _cannot_answer(key, condition, error) from error
    index = table["_index"].to_numpy()
    return {
        key: np.sort(index[table[f"_{number}"].to_numpy()]).astype(np.int32) for number, key in enumerate(conditions)
    }


def _truth(condition: str) -> Column:
    # null is not true; and what is no truth at all is refused
    return F.when(F.expr(condition), F.lit(True)).otherwise(F.lit(False))


def _is_no_condition(key: str, condition: str, attributes: Sequence[str], error: Exception) -> ConfigError:
    return ConfigError(
        key,
        expected="a SQL condition over the items' table",
        found=f"'{condition}' ({_first_line(error)})",
        hint=f"the columns are: {', '.join((*OWN_COLUMNS, *attributes))}",
    )


def _cannot_answer(key: str, condition: str, error: Exception) -> DataError:
    hint = ""
    if "CAST_INVALID_INPUT" in str(error):
        hint = "attributes are text: write try_cast(column AS int) where not every value is a number"
    return DataError(
        key,
        expected="a condition that every item can answer",
        found=f"'{condition}' ({_first_line(error)})",
        hint=hint,
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
