"""`recsys show item ID-OR-TITLE`: what is known of an item, how it is rated, and in how many lists it stands."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from recsys_spark.lookup.answer import Answer, Grid, told
from recsys_spark.lookup.titles import find_item
from recsys_spark.text_table import TextColumn

if TYPE_CHECKING:
    from recsys_spark.reader import Output

HELP = "an item: its ratings, in how many lists it stands, and the users it is best for"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which item."""
    parser.add_argument("item", metavar="ID-OR-TITLE", help="an item's id or title; behind -- if it begins with a dash")
    parser.add_argument("--users", type=int, default=10, metavar="N", help="best users to show at most; default: 10")


def answer(output: Output, given: argparse.Namespace) -> Answer:
    """Of the visible run, and the ratings of the last ingest."""
    item = find_item(output, given.item)
    row = output.rows("items", item_id=item.item_id).to_pylist()[0]
    row["attributes"] = dict(row["attributes"] or [])
    rated = _ratings(output, item.item_id)
    lists = _lists(output, item.item_id)
    users = _best_users(output, item.item_id)[: max(given.users, 0)]
    values = {"item": row, "ratings": rated, "lists": lists, "best_users": users}
    return Answer(values, [*item.notes, *_parts(item.name, row, rated, lists), *_users_grid(users)])


def _ratings(output: Output, item_id: Any) -> dict[str, Any]:
    """How often each rating was given; of few different ones each, else their range alone."""
    if not output.has("ratings"):
        return {"n": 0, "mean": None, "counts": []}
    ratings = output.rows("ratings", ["rating"], item_id=item_id)["rating"].to_pylist()
    counts = [{"rating": rating, "n": n} for rating, n in sorted(Counter(ratings).items())]
    return {"n": len(ratings), "mean": sum(ratings) / len(ratings) if ratings else None, "counts": counts}


def _lists(output: Output, item_id: Any) -> dict[str, Any] | None:
    """In how many lists of all candidates it stands, and where."""
    run = output.visible_run()
    if run is None:
        return None
    ranks = output.rows("top_n", ["rank"], item_id=item_id, variant=None)["rank"].to_pylist()
    users = output.rows("user_outcomes", ["outcome"], run_id=run).num_rows if output.has("user_outcomes") else 0
    return {
        "run_id": run,
        "n": len(ranks),
        "users": users,
        "first": ranks.count(1),
        "mean_rank": sum(ranks) / len(ranks) if ranks else None,
    }


def _best_users(output: Output, item_id: Any) -> list[dict[str, Any]]:
    """Its rows of `top_users`, if the visible model has made that table."""
    if not output.has("top_users"):
        return []
    columns = ["rank", "user_id", "score"]
    rows = output.rows("top_users", columns, item_id=item_id, model_id=output.visible_model()).to_pylist()
    return sorted(rows, key=lambda row: int(row["rank"]))


def _parts(
    name: str, row: Mapping[str, Any], rated: Mapping[str, Any], lists: Mapping[str, Any] | None
) -> list[str | Grid]:
    gone = "" if row["in_source"] else ", no longer in the source"
    parts: list[str | Grid] = [f"{name}: {row['n_ratings']:,} ratings{gone}, first seen in run {row['first_seen_run']}"]
    parts += [f"  {key}: {value}" for key, value in row["attributes"].items() if value]
    if lists is None:
        parts.append("no lists are published")
    elif not lists["n"]:
        parts.append(f"run {lists['run_id']}: in no list")
    else:
        of = f" of {lists['users']:,} users' lists ({lists['n'] / lists['users']:.1%})" if lists["users"] else " lists"
        places = f"{lists['first']:,} times first, at rank {lists['mean_rank']:.1f} on average"
        parts.append(f"run {lists['run_id']}: in {lists['n']:,}{of}, {places}")
    if rated["n"]:
        columns = (TextColumn("rating", "right"), TextColumn("times", "right"), TextColumn(""))
        most = max(count["n"] for count in rated["counts"])
        cells = [[f"{c['rating']:g}", f"{c['n']:,}", "#" * round(30 * c["n"] / most)] for c in rated["counts"]]
        parts.append(Grid(f"ratings: mean {told(rated['mean'], 2)}", columns, cells))
    return parts


def _users_grid(users: list[dict[str, Any]]) -> list[Grid]:
    if not users:
        return []
    columns = (TextColumn("rank", "right"), TextColumn("user", "right"), TextColumn("score", "right"))
    cells = [[str(row["rank"]), str(row["user_id"]), told(row["score"])] for row in users]
    return [Grid(f"the best {len(users)} users who have not seen it", columns, cells)]
