"""The audit: a staged run is published only if every rule holds for every row.

It looks at the staged rows and at the lists of seen and of barred items as ingest stored them, not at anything the
scoring computed, so that a fault of the kernels or of the partitioning cannot hide.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.errors import AuditError


def audit_lists(
    lists: DataFrame, users: DataFrame, *, n_items: int, top_n: int, exclude_seen: bool, stage: str
) -> dict[str, int]:
    """Check staged lists against the rules; count outcomes and rows on the way. The driver collects one row.

    Args:
        lists: staged lists, one row for each user.
        users: the users of the run with their lists `seen` and `barred`.
        n_items: indices of items run from 0 to below this.
        top_n: entries in a list, at most.
        exclude_seen: whether seen items must not be in a list.
        stage: where the stage lies, for messages.

    Returns:
        `ok`, `cold_fallback`, `error`, `rows_published`.

    Raises:
        AuditError: a rule is broken; names the rule, how many rows break it, and one of them.
    """
    expected = users.select("user_index", "seen", "barred", F.lit(True).alias("expected"))
    rows = lists.join(expected, on="user_index", how="full_outer")
    rules = _rules(n_items=n_items, top_n=top_n, exclude_seen=exclude_seen)
    broken = [F.count_if(~F.coalesce(rule, F.lit(False))).alias(name) for name, rule in rules.items()]
    outcomes = [F.count_if(F.col("outcome") == o).alias(o) for o in ("ok", "cold_fallback", "error")]
    duplicates = F.count("user_index") - F.count_distinct("user_index")
    published = F.coalesce(F.sum(F.size("item_indices")), F.lit(0))
    found = rows.agg(
        *broken, *outcomes, duplicates.alias("one_row_for_each_user"), published.alias("rows_published")
    ).collect()[0]
    for name in (*rules, "one_row_for_each_user"):
        if found[name]:
            example = None
            if name in rules:
                example = rows.where(~F.coalesce(rules[name], F.lit(False))).drop("seen", "barred").head()
            raise AuditError(
                f"rule {name}",
                expected="to hold for every user",
                found=f"{found[name]:,} users for whom it does not"
                + (f", such as {example.asDict()}" if example else ""),
                hint=f"the visible tables are unchanged; the rows are kept in {stage}",
            )
    return {name: int(found[name]) for name in ("ok", "cold_fallback", "error", "rows_published")}


def _rules(*, n_items: int, top_n: int, exclude_seen: bool) -> dict[str, Column]:
    """Each rule is true for a sound row; null counts as broken."""
    items, scores, ids = F.col("item_indices"), F.col("scores"), F.col("item_ids")
    rules = {
        "known_user_with_one_outcome": F.col("expected")
        & F.col("user_id").isNotNull()
        & F.col("outcome").isin("ok", "cold_fallback", "error"),
        "list_length": (F.size(items) <= top_n) & (F.size(items) == F.size(scores)) & (F.size(items) == F.size(ids)),
        "error_has_no_list": (F.col("outcome") != "error") | (F.size(items) == 0),
        "known_items": F.forall(items, lambda i: i.isNotNull() & (i >= 0) & (i < n_items))
        & F.forall(ids, lambda i: i.isNotNull()),
        "each_item_once": F.size(F.array_distinct(items)) == F.size(items),
        "finite_scores": F.forall(scores, lambda s: s.isNotNull() & ~F.isnan(s) & (F.abs(s) != float("inf"))),
        "scores_descend": F.coalesce(scores == F.reverse(F.array_sort(scores)), F.lit(False)),
        "nothing_barred": ~F.arrays_overlap(items, "barred"),
    }
    if exclude_seen:
        rules["nothing_seen"] = ~F.arrays_overlap(items, "seen")
    return rules
