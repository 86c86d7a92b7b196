"""Rules that every row of a stage must keep to, counted in one pass."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from recsys_spark.errors import AuditError


def hold(rows: DataFrame, rules: Mapping[str, Column], totals: Mapping[str, Column], of: str, stage: str) -> Row:
    """Give totals over some rows, if every rule holds for each of them. The driver collects one row.

    Args:
        rows: what is judged.
        rules: by name what is true for a sound row; null counts as broken.
        totals: by name an aggregate.
        of: what a row is, for messages.
        stage: where the rows lie, for messages.

    Raises:
        AuditError: a rule is broken; names the rule, how many rows break it, and one of them.
    """
    sound = {name: F.coalesce(rule, F.lit(False)) for name, rule in rules.items()}
    counted = (F.count_if(~rule).alias(name) for name, rule in sound.items())
    found = rows.agg(*counted, *(total.alias(name) for name, total in totals.items())).collect()[0]
    for name, rule in sound.items():
        if found[name]:
            example = rows.where(~rule).drop("seen", "barred").head()
            shown = f", such as {example.asDict()}" if example else ""
            raise broken(name, f"to hold for all {of}", f"{found[name]:,} {of} for whom it does not{shown}", stage)
    return found


def broken(rule: str, expected: str, found: str, stage: str) -> AuditError:
    """What is raised for a broken rule."""
    hint = f"the visible tables are unchanged; the rows are kept in {stage}"
    return AuditError(f"rule {rule}", expected=expected, found=found, hint=hint)


def finite(scores: Column) -> Column:
    """Whether all scores of a list are finite numbers."""
    return F.forall(scores, lambda s: s.isNotNull() & ~F.isnan(s) & (F.abs(s) != float("inf")))


def descending(scores: Column) -> Column:
    """Whether the scores of a list never rise."""
    return F.coalesce(scores == F.reverse(F.array_sort(scores)), F.lit(False))
