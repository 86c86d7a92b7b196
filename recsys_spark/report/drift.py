"""This run beside the one before it."""

from __future__ import annotations

from collections.abc import Iterator

from recsys_spark.report.charts import NOTHING, number
from recsys_spark.report.facts import MODEL, Facts
from recsys_spark.report.page import Section, Table

_COUNTS = {
    "ratings_read": "Rows read",
    "ratings_accepted": "Ratings accepted",
    "ratings_quarantined": "Rows quarantined",
    "users": "Users",
    "items": "Items",
    "ok": "Users with the model's list",
    "cold_fallback": "Users with the fallback",
    "rows_published": "Rows published",
}
_TURNOVER = {
    "users_new": "New users",
    "users_gone": "Users gone",
    "items_new": "New items",
    "items_gone": "Items gone",
}
_AUDIT = {
    "overlap": ("Overlap of the lists", "share of a user's items that were in the last list, too"),
    "lost_share": ("Users lost", "share of the last run's users who are not in this one"),
    "mean_score_shift": ("Shift of the mean score", "as a multiple of the width of the ratings' range"),
}


def drift(facts: Facts) -> Section:
    """What has changed since the run before; nothing to show without one."""
    before = facts.before
    if before is None:
        return Section("drift", "Since the last run")
    rows = [
        [
            label,
            number(before.counts[name]),
            number(facts.counts[name]),
            _change(before.counts[name], facts.counts[name]),
        ]
        for name, label in _COUNTS.items()
        if name in before.counts and name in facts.counts
    ]
    counts = facts.counts
    rows += [[label, "", f"{counts[name]:,}", ""] for name, label in _TURNOVER.items() if name in counts]
    tables = [Table("Counts", ("", "Last run", "This run", "Change"), rows)]
    figures = list(_figures(facts))
    if figures:
        tables.append(Table("Figures of the model, test part", ("", "Last run", "This run", "Change"), figures))
    audit = facts.summary.get("audit") or {}
    if audit.get("last_run") == before.run_id:
        told = [
            [f"{label}: {what}", number(audit[name])]
            for name, (label, what) in _AUDIT.items()
            if audit.get(name) is not None
        ]
        if told:
            tables.append(Table("Lists", ("", "Value"), told, lone=True))
    text = f"The run before is {before.run_id} of {before.as_of}, with the model {before.model_id}."
    if before.config_hash != facts.entry.config_hash:
        text += " Its configuration was another one."
    if before.code_version != facts.entry.code_version:
        text += f" So was the version of the code, {before.code_version}."
    return Section("drift", "Since the last run", text, tables)


def _figures(facts: Facts) -> Iterator[list[str]]:
    if facts.figures_before is None:
        return
    asked: list[tuple[str, int | None]] = [("mse", None), ("rmse", None), ("mae", None)]
    for metric in ("ndcg", "recall", "item_coverage"):
        asked += [(metric, k) for k in facts.figures.cutoffs(metric)[:1]]
    for metric, k in asked:
        now, then = (figures.get(MODEL, metric, k=k) for figures in (facts.figures, facts.figures_before))
        if now is not None and then is not None:
            label = metric if k is None else f"{metric}@{k}"
            yield [label, number(then.value), number(now.value), _change(then.value, now.value)]


def _change(before: float, now: float) -> str:
    if not before:
        return NOTHING if not now else "new"
    return f"{now / before - 1:+.1%}"
