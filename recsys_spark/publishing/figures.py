"""The figures of a run that the audit's thresholds are about. Plain arithmetic on what Spark has added up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from recsys_spark.publishing.thresholds import Figure
from recsys_spark.publishing.totals import Change, ItemTotals, ListTotals, RatingRange

MORE_IS_BETTER = "ndcg"
"""How the names of such metrics begin; of errors less is better."""

NO_RATINGS = Figure(None, "scores of a model for ranking are no ratings")


@dataclass(frozen=True)
class Measured:
    """The figures of the test part, in the metric that the audit compares.

    Args:
        metric: its name: an error, of which less is better, or `ndcg@k`, of which more is.
        model: of the model; none: not measured.
        baselines: of each baseline, by its name.
        last: of the model in the last run; none: not measured, or not the same way.
    """

    metric: str
    model: float | None
    baselines: Mapping[str, float]
    last: float | None


def of_users(lists: ListTotals) -> dict[str, Figure]:
    """Shares of users by what became of them. A run without users is one of empty lists."""
    if not lists.users:
        none = Figure(None, "there are no users")
        return {"ok_share": none, "failed_share": none, "empty_share": Figure(1.0, "there are no users")}
    return {
        "ok_share": _share(lists.ok, lists.users, f"users are ok, {lists.cold_fallback:,} got the fallback"),
        "failed_share": _share(lists.error, lists.users, "users have scores that are not finite"),
        "empty_share": _share(lists.empty, lists.users, "users have an empty list"),
    }


def of_lists(lists: ListTotals, items: ItemTotals, ratings: RatingRange | None, n_items: int) -> dict[str, Figure]:
    """What the lists hold: how far their scores leave the range of the ratings, which items, how often one.

    `n_items` are those that are in the source and kept by `items.where`; `ratings` is none where scores are none.
    """
    same = _share(items.lists, lists.by_model, f"of the model's lists hold the item {items.most_frequent}")
    if 2 * lists.entries > n_items * lists.by_model:
        same = Figure(None, "the model's lists hold more than half of the items, and so the same ones")
    return {
        "score_excess": _score_excess(lists, ratings),
        "item_coverage": _share(items.items, n_items, "items of the run are in a list"),
        "same_item_share": same,
    }


def of_change(lists: ListTotals, ratings: RatingRange | None, change: Change | None) -> dict[str, Figure]:
    """How the lists differ from those of the last run; `change` is none without one."""
    if change is None:
        return dict.fromkeys(("lost_share", "overlap", "mean_score_shift"), Figure(None, "there is no last run"))
    return {
        "lost_share": _share(change.lost, change.users, "users of the last run are not in this one"),
        "overlap": Figure(change.overlap, f"mean over {change.compared:,} users of both runs"),
        "mean_score_shift": _mean_score_shift(lists, ratings, change),
    }


def of_quality(measured: Measured) -> dict[str, Figure]:
    """How much worse the model is on the test part than the best baseline, and than the last run."""
    metric, baselines = measured.metric, measured.baselines
    pick = max if metric.startswith(MORE_IS_BETTER) else min
    best = pick(baselines, key=lambda name: baselines[name], default=None)
    against_best = (None, "") if best is None else (baselines[best], f"the baseline {best}")
    return {
        "worse_than_baseline": _worse(metric, measured.model, *against_best),
        "worse_than_last_run": _worse(metric, measured.model, measured.last, "the last run"),
    }


def of_source(newest: datetime | None, end: datetime, *, read: int, quarantined: int) -> dict[str, Figure]:
    """Days from the newest rating to the `end` of the `as_of` day; how many of the rows `read` are quarantined."""
    age = Figure(None, "no rating has a timestamp before the end of the as_of day", must_be_known=True)
    if newest is not None:
        days = (end - newest) / timedelta(days=1)
        age = Figure(days, f"days: the newest rating is of {newest:%Y-%m-%d %H:%M:%S} UTC")
    return {"source_age": age, "quarantined_share": _share(quarantined, read, "rows are quarantined")}


def _score_excess(lists: ListTotals, ratings: RatingRange | None) -> Figure:
    if ratings is None:
        return NO_RATINGS
    width = _width(ratings)
    if width is None or lists.lowest is None or lists.highest is None:
        return Figure(None, "there are no scores of the model, or all ratings are the same")
    assert ratings.lowest is not None
    assert ratings.highest is not None
    outside = max(0.0, ratings.lowest - lists.lowest, lists.highest - ratings.highest)
    scores, range_ = f"{lists.lowest:.6g} to {lists.highest:.6g}", f"{ratings.lowest:g} to {ratings.highest:g}"
    return Figure(outside / width, f"scores of the model go from {scores}, ratings from {range_}")


def _mean_score_shift(lists: ListTotals, ratings: RatingRange | None, change: Change) -> Figure:
    if ratings is None:
        return NO_RATINGS
    width = _width(ratings)
    if width is None or lists.score_sum is None or change.score_sum is None:
        return Figure(None, "one of the runs has no scores of the model, or all ratings are the same")
    if not lists.entries or not change.entries:
        return Figure(None, "one of the runs has no scores of the model")
    now, then = lists.score_sum / lists.entries, change.score_sum / change.entries
    return Figure(abs(now - then) / width, f"the mean score of the model's lists was {then:.6g} and is {now:.6g}")


def _worse(metric: str, now: float | None, other: float | None, than: str) -> Figure:
    if now is None or not other:
        return Figure(None, "there is nothing to compare")
    worse = 1 - now / other if metric.startswith(MORE_IS_BETTER) else now / other - 1
    return Figure(worse, f"test {metric} {now:.6g}, that of {than} {other:.6g}")


def _width(ratings: RatingRange) -> float | None:
    if ratings.lowest is None or ratings.highest is None or ratings.lowest == ratings.highest:
        return None
    return ratings.highest - ratings.lowest


def _share(part: int, whole: int, what: str) -> Figure:
    if not whole:
        return Figure(None, f"0 of 0 {what}")
    return Figure(part / whole, f"{part:,} of {whole:,} {what}")
