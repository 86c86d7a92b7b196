"""`recsys show user ID`: the lists of a user, why they are so, and what the user has rated."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recsys_spark.lookup.answer import Answer, Grid, told
from recsys_spark.lookup.titles import titles_of
from recsys_spark.lookup.users import find_user
from recsys_spark.text_table import TextColumn

if TYPE_CHECKING:
    from recsys_spark.reader import Output

HELP = "the lists of a user, what became of them, and what they have rated"

REASONS = {
    "folded_in": "folded in: the list comes from a vector made of ratings that the model was not fitted on",
    "no_trained_vector": "the model does not know them, the fallback made the list",
    "nothing_left": "nothing is left for them",
    "score_not_finite": "a score of theirs is not finite",
}
"""What reasons of `user_outcomes` say to a person; the model's own needs no words."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which user, and how many of their ratings."""
    parser.add_argument("user", metavar="ID", help="a user's id; behind -- if it begins with a dash")
    parser.add_argument("--ratings", type=int, default=10, metavar="N", help="ratings to show at most; default: 10")


def answer(output: Output, given: argparse.Namespace) -> Answer:
    """Of the visible run, and the ratings of the last ingest."""
    user = find_user(output, given.user)
    run = output.visible_run()
    lists = _lists(output, user["user_id"])
    outcome = _outcome(output, user["user_id"], run)
    rated = _ratings(output, user["user_id"])
    rated = rated[: max(given.ratings, 0)]
    titles = titles_of(output, [row["item_id"] for row in [*lists, *rated]])
    for row in (*lists, *rated):
        row["title"] = titles.get(row["item_id"])
    values = {"user": user, "run_id": run, "outcome": outcome, "lists": lists, "ratings": rated}
    return Answer(values, _parts(user, outcome, lists, rated, run))


def _lists(output: Output, user_id: Any) -> list[dict[str, Any]]:
    """The user's rows of `top_n`: the list of all candidates first, then variants by name."""
    if not output.has("top_n"):
        return []
    rows = output.rows("top_n", user_id=user_id).to_pylist()
    for row in rows:
        del row["user_id"]
    return sorted(rows, key=lambda row: (row["variant"] or "", row["rank"]))


def _outcome(output: Output, user_id: Any, run: str | None) -> dict[str, Any] | None:
    if run is None or not output.has("user_outcomes"):
        return None
    columns = ["outcome", "n_items", "reason", "as_of"]
    rows: list[dict[str, Any]] = output.rows("user_outcomes", columns, run_id=run, user_id=user_id).to_pylist()
    return rows[0] if rows else None


def _ratings(output: Output, user_id: Any) -> list[dict[str, Any]]:
    """What the user has rated: the newest first, else the highest."""
    if not output.has("ratings"):
        return []
    columns = ["item_id", "rating", "timestamp", "part"]
    rows: list[dict[str, Any]] = output.rows("ratings", columns, user_id=user_id).to_pylist()
    rows.sort(key=lambda row: (-row["rating"], row["item_id"]))
    return sorted(rows, key=lambda row: -row["timestamp"].timestamp() if row["timestamp"] else 0)


def _parts(
    user: Mapping[str, Any],
    outcome: Mapping[str, Any] | None,
    lists: Sequence[Mapping[str, Any]],
    rated: Sequence[Mapping[str, Any]],
    run: str | None,
) -> list[str | Grid]:
    about = ", ".join(f"{name} {value}" for name, value in user["attributes"].items() if value)
    parts: list[str | Grid] = [f"user {user['user_id']}: {user['n_ratings']:,} ratings{', ' + about if about else ''}"]
    if run is None:
        parts.append("no lists are published")
    elif outcome is None:
        parts.append(f"run {run} had no such user")
    else:
        why = REASONS.get(outcome["reason"])
        parts.append(f"run {run} of {outcome['as_of']}: {outcome['outcome']}{', ' + why if why else ''}")
    for variant in dict.fromkeys(row["variant"] for row in lists):
        parts.append(_list_grid(variant, [row for row in lists if row["variant"] == variant]))
    if rated:
        parts.append(_ratings_grid(rated, of=user["n_ratings"]))
    return parts


def _list_grid(variant: str | None, rows: Sequence[Mapping[str, Any]]) -> Grid:
    optional = [name for name in ("predicted_rating", "score_std") if any(row[name] is not None for row in rows)]
    reasons = {row["reason"] for row in rows}
    columns = [
        TextColumn("rank", "right"),
        TextColumn("item", "right"),
        TextColumn("title"),
        TextColumn("score", "right"),
    ]
    columns += [TextColumn(name.replace("_", " "), "right") for name in optional]
    columns += [TextColumn("reason")] if reasons != {"model"} else []
    cells = [
        [
            str(row["rank"]),
            str(row["item_id"]),
            row["title"] or "",
            told(row["score"]),
            *(told(row[name]) for name in optional),
            *([row["reason"]] if reasons != {"model"} else []),
        ]
        for row in rows
    ]
    title = f"the best {len(rows)}" if variant is None else f"the best {len(rows)} of the list {variant!r}"
    return Grid(f"{title}, by the model {rows[0]['model_id']}", columns, cells)


def _ratings_grid(rated: Sequence[Mapping[str, Any]], *, of: int) -> Grid:
    dated = any(row["timestamp"] for row in rated)
    columns = [TextColumn("rating", "right"), TextColumn("item", "right"), TextColumn("title"), TextColumn("part")]
    columns += [TextColumn("at (UTC)")] if dated else []
    cells = [
        [
            f"{row['rating']:g}",
            str(row["item_id"]),
            row["title"] or "",
            row["part"],
            *([f"{row['timestamp']:%Y-%m-%d %H:%M}" if row["timestamp"] else ""] if dated else []),
        ]
        for row in rated
    ]
    which = "the newest" if dated else "the highest"
    return Grid(f"ratings: {which} {len(rated):,} of {of:,}", columns, cells)
