"""Which items are left out of each user's list: those seen, those barred, or both."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def with_barred(users: DataFrame, *, seen: bool) -> DataFrame:
    """The users with all that is left out for them in the one column `seen`; a narrow step.

    Args:
        users: columns `seen` and `barred`, arrays of ascending item indices without repetition.
        seen: whether seen items are left out; if not, only barred ones are.

    Returns:
        The same rows; `seen` is ascending and without repetition. A user without barred items keeps the list as it is.
    """
    if not seen:
        return users.withColumn("seen", F.col("barred"))
    both = F.sort_array(F.array_union("seen", "barred"))
    return users.withColumn("seen", F.when(F.size("barred") > 0, both).otherwise(F.col("seen")))
