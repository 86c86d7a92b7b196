"""The audit of lists of similar items: one for each item that was compared.

It looks at the staged rows alone, and asks of them what the table promises.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.publishing.rules import broken, descending, finite, hold


def audit_similar_items(lists: DataFrame, *, n_items: int, top_n: int, stage: str) -> dict[str, int]:
    """Check staged lists of similar items against the rules. The driver collects two rows.

    Args:
        lists: staged lists, one row for each item.
        n_items: items that were compared.
        top_n: entries in a list, at most.
        stage: where the stage lies, for messages.

    Returns:
        `rows_published`; `error`: items with a score that is not finite, whose lists are empty.

    Raises:
        AuditError: a rule is broken; names the rule, how many rows break it, and one of them.
    """
    totals = {
        "rows": F.count(F.lit(1)),
        "items": F.count_distinct("item_index"),
        "rows_published": F.coalesce(F.sum(F.size("similar_indices")), F.lit(0)),
        "error": F.count_if(~F.col("finite")),
    }
    found = hold(lists, _rules(min(top_n, n_items - 1)), totals, "items", stage)
    if not found["rows"] == found["items"] == n_items:
        rows = f"{found['rows']:,} rows of {found['items']:,} items"
        raise broken("one_row_for_each_item", f"{n_items:,} rows", rows, stage)
    entered = lists.select(F.explode("similar_indices").alias("item_index")).distinct()
    compared = lists.select("item_index", F.lit(True).alias("expected"))
    known = entered.join(compared, on="item_index", how="left")
    hold(known, {"compared_items": F.col("expected")}, {}, "items", stage)
    return {name: int(found[name]) for name in ("rows_published", "error")}


def _rules(length: int) -> dict[str, Column]:
    items, scores, ids = F.col("similar_indices"), F.col("scores"), F.col("similar_ids")
    return {
        "known_item": F.col("item_id").isNotNull() & F.col("item_index").isNotNull(),
        "list_length": (F.size(items) == F.when(F.col("finite"), length).otherwise(0))
        & (F.size(items) == F.size(scores))
        & (F.size(items) == F.size(ids)),
        "known_ids": F.forall(ids, lambda i: i.isNotNull()),
        "never_itself": ~F.array_contains(items, F.col("item_index")),
        "each_item_once": F.size(F.array_distinct(items)) == F.size(items),
        "finite_scores": finite(scores),
        "scores_descend": descending(scores),
        "ties_by_index": _ties_by_index(scores, items),
    }


def _ties_by_index(scores: Column, items: Column) -> Column:
    """Whether the entries are in the order of score, then of index."""
    entries = F.zip_with(scores, items, lambda score, item: F.struct((-score).alias("s"), item.alias("i")))
    return entries == F.array_sort(entries)
