"""The audit of lists of users: one for each item.

As `audit.py` does, it looks at the staged rows and at what ingest stored, and at nothing that the scoring has made of
it on the way: the users' lists of seen and of barred items are not turned round for it.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.publishing.rules import broken, descending, finite, hold


def audit_user_lists(
    lists: DataFrame, users: DataFrame, *, n_items: int, top_users: int, exclude_seen: bool, stage: str
) -> dict[str, int]:
    """Check staged lists of users against the rules. The driver collects two rows.

    Args:
        lists: staged lists, one row for each item.
        users: the users of the run with their lists `seen` and `barred`.
        n_items: items that are to have a row.
        top_users: entries in a list, at most.
        exclude_seen: whether a user must not be in the list of an item seen.
        stage: where the stage lies, for messages.

    Returns:
        `rows_published`; `error`: items with a score that is not finite.

    Raises:
        AuditError: a rule is broken; names the rule, how many rows break it, and one of them.
    """
    rules = _rules_of_lists(top_users)
    totals = {
        "rows": F.count(F.lit(1)),
        "items": F.count_distinct("item_index"),
        "rows_published": F.coalesce(F.sum(F.size("user_indices")), F.lit(0)),
        "error": F.count_if(~F.col("finite")),
    }
    found = hold(lists, rules, totals, "items", stage)
    if not found["rows"] == found["items"] == n_items:
        rows = f"{found['rows']:,} rows of {found['items']:,} items"
        raise broken("one_row_for_each_item", f"{n_items:,} rows", rows, stage)
    entries = lists.select("item_index", F.explode("user_indices").alias("user_index"))
    of_users = entries.groupBy("user_index").agg(F.collect_list("item_index").alias("items"))
    known = users.select("user_index", "seen", "barred", F.lit(True).alias("expected"))
    hold(
        of_users.join(known, on="user_index", how="left"),
        _rules_of_users(exclude_seen=exclude_seen),
        {},
        "users",
        stage,
    )
    return {name: int(found[name]) for name in ("rows_published", "error")}


def _rules_of_lists(top_users: int) -> dict[str, Column]:
    """Each rule is true for a sound row; null counts as broken."""
    users, scores, ids = F.col("user_indices"), F.col("scores"), F.col("user_ids")
    return {
        "known_item": F.col("item_id").isNotNull() & F.col("item_index").isNotNull(),
        "list_length": (F.size(users) <= top_users)
        & (F.size(users) == F.size(scores))
        & (F.size(users) == F.size(ids)),
        "not_finite_has_no_list": F.col("finite") | (F.size(users) == 0),
        "known_ids": F.forall(ids, lambda i: i.isNotNull()),
        "each_user_once": F.size(F.array_distinct(users)) == F.size(users),
        "finite_scores": finite(scores),
        "scores_descend": descending(scores),
    }


def _rules_of_users(*, exclude_seen: bool) -> dict[str, Column]:
    rules = {"user_of_the_run": F.col("expected"), "nothing_barred": ~F.arrays_overlap("items", "barred")}
    if exclude_seen:
        rules["nothing_seen"] = ~F.arrays_overlap("items", "seen")
    return rules
