"""The audit: a staged run is published only if every rule holds for every row.

It looks at the staged rows and at the lists of seen and of barred items as ingest stored them, not at anything the
scoring computed, so that a fault of the kernels or of the partitioning cannot hide.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.errors import AuditError


@dataclass(frozen=True)
class Promises:
    """What the configuration promises about every list.

    Args:
        n_items: indices of items run from 0 to below this.
        top_n: entries in a list, at most.
        exclude_seen: whether seen items must not be in a list.
        variants: the names of a user's further lists.
        min_score: no score of a model's list is below this; none: any is sound.
    """

    n_items: int
    top_n: int
    exclude_seen: bool
    variants: tuple[str, ...] = ()
    min_score: float | None = None


def audit_lists(lists: DataFrame, users: DataFrame, promises: Promises, *, stage: str) -> dict[str, int]:
    """Check staged lists against the rules; count outcomes and rows on the way.

    The driver collects one row, and the number of users.

    Args:
        lists: staged lists, one row for each list.
        users: the users of the run with their lists `seen` and `barred`.
        promises: what must hold.
        stage: where the stage lies, for messages.

    Returns:
        `ok`, `cold_fallback`, `error`, `rows_published`.

    Raises:
        AuditError: a rule is broken; names the rule, how many rows break it, and one of them.
    """
    expected = users.select("user_index", "seen", "barred", F.lit(True).alias("expected"))
    rows = lists.join(expected, on="user_index", how="full_outer")
    rules = _rules(promises)
    broken = [F.count_if(~F.coalesce(rule, F.lit(False))).alias(name) for name, rule in rules.items()]
    first = F.col("variant").isNull()
    outcomes = [F.count_if(first & (F.col("outcome") == o)).alias(o) for o in ("ok", "cold_fallback", "error")]
    # each user has as many lists as there are names, if no list of the known users is there twice or lacking
    due = users.count() * (1 + len(promises.variants))
    different = F.count_distinct("user_index", F.coalesce("variant", F.lit("")))
    wrong = F.greatest(F.abs(F.count(F.lit(1)) - F.lit(due)), F.count(F.lit(1)) - different)
    published = F.coalesce(F.sum(F.size("item_indices")), F.lit(0))
    found = rows.agg(
        *broken, *outcomes, wrong.alias("each_list_of_a_user_once"), published.alias("rows_published")
    ).collect()[0]
    for name in (*rules, "each_list_of_a_user_once"):
        if found[name]:
            example = None
            if name in rules:
                example = rows.where(~F.coalesce(rules[name], F.lit(False))).drop("seen", "barred").head()
            raise AuditError(
                f"rule {name}",
                expected="to hold for every list",
                found=f"{found[name]:,} lists for which it does not"
                + (f", such as {example.asDict()}" if example else ""),
                hint=f"the visible tables are unchanged; the rows are kept in {stage}",
            )
    return {name: int(found[name]) for name in ("ok", "cold_fallback", "error", "rows_published")}


def _rules(promises: Promises) -> dict[str, Column]:
    """Each rule is true for a sound row; null counts as broken."""
    items, scores, ids = F.col("item_indices"), F.col("scores"), F.col("item_ids")
    rules = {
        "known_user_with_one_outcome": F.col("expected")
        & F.col("user_id").isNotNull()
        & F.col("outcome").isin("ok", "cold_fallback", "error"),
        "list_length": (F.size(items) <= promises.top_n)
        & (F.size(items) == F.size(scores))
        & (F.size(items) == F.size(ids)),
        "error_has_no_list": (F.col("outcome") != "error") | (F.size(items) == 0),
        "known_items": F.forall(items, lambda i: i.isNotNull() & (i >= 0) & (i < promises.n_items))
        & F.forall(ids, lambda i: i.isNotNull()),
        "each_item_once": F.size(F.array_distinct(items)) == F.size(items),
        "finite_scores": F.forall(scores, lambda s: s.isNotNull() & ~F.isnan(s) & (F.abs(s) != float("inf"))),
        "scores_descend": F.coalesce(scores == F.reverse(F.array_sort(scores)), F.lit(False)),
        "nothing_barred": ~F.arrays_overlap(items, "barred"),
    }
    if promises.variants:
        rules["known_variant"] = F.col("variant").isNull() | F.col("variant").isin(*promises.variants)
    if promises.min_score is not None:
        least = promises.min_score
        rules["no_low_score"] = (F.col("outcome") != "ok") | F.forall(scores, lambda s: s >= F.lit(least))
    if promises.exclude_seen:
        rules["nothing_seen"] = ~F.arrays_overlap(items, "seen")
    return rules
