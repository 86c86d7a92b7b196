"""The sections of the report, made of its facts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from recsys_spark.report import charts
from recsys_spark.report.charts import NOTHING, Chart, number
from recsys_spark.report.drift import drift
from recsys_spark.report.facts import MODEL, Facts, Figure
from recsys_spark.report.page import Key, Section, Table

_RANKING = {
    "ndcg": "NDCG",
    "recall": "Recall",
    "precision": "Precision",
    "map": "MAP",
    "mrr": "MRR",
    "hit_rate": "Hit rate",
    "item_coverage": "Item coverage",
    "novelty": "Novelty",
    "gini": "Gini of exposure",
}
_DRAWN = ("ndcg", "recall", "precision", "map", "mrr", "hit_rate")
_SEGMENTS = {
    "rating": "By true rating",
    "user_ratings": "By number of the user's ratings",
    "item_ratings": "By number of the item's ratings",
}


def named(scorer: str, facts: Facts) -> str:
    """A scorer as a reader is told."""
    return f"{facts.model} (the model)" if scorer == MODEL else scorer


def sections(facts: Facts) -> list[Section]:
    """Those that have something to show."""
    made = (_data, _training, _ratings, _ranking, _lists, drift)
    return [section for section in (make(facts) for make in made) if not section.empty]


def keys(facts: Facts) -> list[Key]:
    """The figures that come first."""
    counts, found = facts.counts, []
    if "ratings_accepted" in counts:
        quarantined = counts.get("ratings_quarantined", 0)
        found.append(Key("Ratings accepted", number(counts["ratings_accepted"]), f"{quarantined:,} quarantined"))
    if "users" in counts:
        found.append(Key("Users", number(counts["users"]), f"{counts.get('ok', 0):,} with the model's list"))
    if "items" in counts:
        found.append(Key("Items", number(counts["items"]), "ever seen in the source"))
    mse = facts.figures.get(MODEL, "mse")
    if mse is not None:
        found.append(Key("Test MSE", number(mse.value), _beside(facts, "mse", None, least=True)))
    cutoffs = facts.figures.cutoffs("ndcg")
    ndcg = facts.figures.get(MODEL, "ndcg", k=cutoffs[0]) if cutoffs else None
    if ndcg is not None:
        found.append(Key(f"Test NDCG@{ndcg.k}", number(ndcg.value), _beside(facts, "ndcg", ndcg.k, least=False)))
    if "rows_published" in counts:
        found.append(Key("Rows published", number(counts["rows_published"]), "in top_n"))
    return found


def _beside(facts: Facts, metric: str, k: int | None, *, least: bool) -> str:
    others = [f for f in facts.figures.scorers(metric, k=k) if f.scorer not in (MODEL, "diversified")]
    if not others:
        return "no baseline"
    best = (min if least else max)(others, key=lambda f: f.value)
    return f"best baseline {number(best.value)} ({best.scorer})"


def _data(facts: Facts) -> Section:
    made: list[Table | Chart] = []
    counts = facts.counts
    if "ratings_read" in counts:
        names = {"ratings_read": "Rows read", "ratings_accepted": "Accepted", "ratings_quarantined": "Quarantined"}
        rows = [[label, f"{counts.get(name, 0):,}"] for name, label in names.items()]
        rows += [[f"of these {q.reason} ({q.kind})", f"{q.rows:,}"] for q in facts.quarantined]
        cold = {"test_cold_users": "Users of the test part without training", "test_cold_items": "Items likewise"}
        rows += [[label, f"{counts[name]:,}"] for name, label in cold.items() if name in counts]
        made.append(Table("Rows of the source", ("", "Number"), rows))
    if facts.ratings is not None:
        made.append(charts.bars("ratings", "Ratings", "Accepted ones.", facts.ratings, axes=("Rating", "Ratings")))
    told = "Bins double; both axes are logarithmic."
    if facts.items is not None:
        axes = ("Ratings of an item", "Items")
        made.append(charts.bars("items", "Popularity of items", told, facts.items, axes=axes, log=True, colour="--c3"))
    if facts.users is not None:
        axes, title = ("Ratings of a user", "Users"), "Activity of users"
        made.append(charts.bars("users-activity", title, told, facts.users, axes=axes, log=True, colour="--c4"))
    text = "" if facts.now_only else "Ratings have been read anew since this run, so their distribution is not told."
    return Section("data", "Data", text, made)


def _training(facts: Facts) -> Section:
    made: list[Table | Chart] = []
    loss = facts.figures.epochs("loss")
    if loss:
        note = "Of the fit that chose the epochs, in units of the target."
        made.append(charts.losses(loss, "Loss by epoch", note))
    wanted = facts.settings.get("training", {})
    names = ("objective", "loss", "target", "optimizer", "learning_rate", "batch_size", "epochs", "early_stopping")
    rows = [[key, _said(value)] for key, value in facts.settings.get("model", {}).items()]
    rows += [[name, _said(wanted[name])] for name in names if name in wanted]
    split = facts.settings.get("split", {})
    rows += [[f"split.{key}", _said(value)] for key, value in split.items() if value is not None]
    if rows:
        made.append(Table("Model and training", ("Setting", "Value"), rows, text=True, lone=True))
    return Section("training", "Training", "", made)


def _ratings(facts: Facts) -> Section:
    figures = facts.figures
    made: list[Table | Chart] = []
    test = figures.scorers("mse")
    if test:
        rows = sorted(((named(f.scorer, facts), f.value, f.low, f.high) for f in test[1:]), key=lambda row: row[1])
        first = test[0]
        note = "On the test part, with 95 % intervals by resampling users; less is better."
        shown = [(named(first.scorer, facts), first.value, first.low, first.high), *rows]
        made.append(charts.intervals("mse", "MSE", note, shown))
    by_segment = {
        of: _by_segment(facts, title, found)
        for of, title in _SEGMENTS.items()
        if (found := figures.segments(of, "mse"))
    }
    made += [by_segment.pop("rating")] if "rating" in by_segment else []
    made += [charts.density(found) for found in facts.densities]
    made += by_segment.values()
    if test:
        made.append(_errors(facts))
    text = "This model predicts no ratings." if facts.ranks and not test else ""
    return Section("ratings", "Rating error", text, made)


def _errors(facts: Facts) -> Table:
    rows = []
    for split in ("test", "validation", "train"):
        for f in facts.figures.scorers("mse", split=split):
            others = (facts.figures.get(f.scorer, metric, split=split) for metric in ("rmse", "mae"))
            rmse, mae = (None if other is None else other.value for other in others)
            rows.append(
                [f"{split}: {named(f.scorer, facts)}", number(f.value), _interval(f), number(rmse), number(mae)]
            )
    mine = frozenset(n for n, row in enumerate(rows) if row[0].endswith("(the model)"))
    head = ("Scorer", "MSE", "95 % interval", "RMSE", "MAE")
    return Table("Errors of the model and of all baselines", head, rows, marked=mine, lone=True)


def _by_segment(facts: Facts, title: str, found: list[Figure]) -> Table:
    rows = []
    for f in sorted(found, key=_begins):
        n = facts.figures.get(MODEL, "n", segment=f.segment)
        label = (f.segment or "").partition("=")[2]
        rows.append([label, number(None if n is None else n.value), number(f.value)])
    return Table(f"{title}, test part", ("Segment", "Ratings", "MSE"), rows)


def _begins(figure: Figure) -> float:
    """Where a segment begins, which is a number or a range of numbers."""
    found = re.match(r"-?[0-9.]*[0-9]", (figure.segment or "").partition("=")[2])
    return float(found[0]) if found else math.inf


def _ranking(facts: Facts) -> Section:
    figures = facts.figures
    cutoffs = figures.cutoffs("ndcg")
    if not cutoffs:
        return Section("ranking", "Ranking")
    made: list[Table | Chart] = []
    if len(cutoffs) > 1:
        for metric in _DRAWN:
            of_scorers: dict[str, dict[int, float]] = {}
            for k in cutoffs:
                for f in figures.scorers(metric, k=k):
                    of_scorers.setdefault(named(f.scorer, facts), {})[k] = f.value
            if of_scorers:
                made.append(charts.by_k(metric, _RANKING[metric], of_scorers))
    else:
        found = figures.scorers("ndcg", k=cutoffs[0])
        note = "On the test part, with 95 % intervals by resampling users; more is better."
        rows = [(named(f.scorer, facts), f.value, f.low, f.high) for f in found]
        made.append(charts.intervals("ndcg", f"NDCG@{cutoffs[0]}", note, rows))
    made += [_ranking_table(facts, k) for k in cutoffs]
    first = figures.get(MODEL, "ndcg", k=cutoffs[0])
    text = "All candidates are ranked; what a fit has seen is left out."
    if first is not None and first.relevant_at is not None:
        text += f" Relevant: a rating of at least {first.relevant_at:g}."
    users = figures.get(MODEL, "n_users")
    if users is not None:
        text += f" {users.value:,.0f} users of the test part have such an item."
    return Section("ranking", "Ranking", text, made)


def _ranking_table(facts: Facts, k: int) -> Table:
    found = facts.figures.scorers("ndcg", k=k)
    head = ["Metric", *(named(f.scorer, facts) for f in found)]
    rows = []
    for metric, title in _RANKING.items():
        values = [facts.figures.get(f.scorer, metric, k=k) for f in found]
        if any(value is not None for value in values):
            rows.append([f"{title}@{k}", *(NOTHING if v is None else _with_interval(v) for v in values)])
    return Table(f"Lists of {k}, test part", head, rows, lone=True)


def _lists(facts: Facts) -> Section:
    made: list[Table | Chart] = []
    if facts.scores is not None:
        made.append(charts.scores(facts.scores, facts.scores_before))
    if facts.lengths is not None:
        axes = ("Items in the list", "Users")
        made.append(charts.bars("lengths", "Lengths of the lists", "", facts.lengths, axes=axes, colour="--c5"))
    if facts.outcomes:
        total = sum(o.users for o in facts.outcomes) or 1
        rows = [[f"{o.outcome}: {o.reason}", f"{o.users:,}", f"{o.users / total:.1%}"] for o in facts.outcomes]
        made.append(Table("What became of the users", ("Outcome", "Users", "Share"), rows))
    if facts.exposure:
        rows = [[e.title or e.item, f"{e.lists:,}"] for e in facts.exposure]
        coverage = (facts.summary.get("audit") or {}).get("item_coverage")
        note = "" if coverage is None else f"{coverage:.1%} of the items are in some list."
        made.append(Table("Items in most lists", ("Item", "Lists"), rows, note))
    return Section("lists", "Lists", "", made)


def _with_interval(figure: Figure) -> str:
    return number(figure.value) + (f" {_interval(figure)}" if figure.low is not None else "")


def _interval(figure: Figure) -> str:
    return "" if figure.low is None else f"[{number(figure.low)}, {number(figure.high)}]"


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(_pairs(value)) or "none"
    return "none" if value is None else str(value)


def _pairs(value: dict[str, object]) -> Iterator[str]:
    return (f"{key}: {_said(inner)}" for key, inner in value.items())
