"""`recsys diff RUN RUN`: what has changed from one run to another."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from recsys_spark.errors import NotFoundError
from recsys_spark.lookup.answer import Answer, Grid, told
from recsys_spark.lookup.runs import ledger
from recsys_spark.lookup.titles import titles_of
from recsys_spark.text_table import TextColumn

if TYPE_CHECKING:
    from recsys_spark.lookup.differences import Differences, ItemChange, Lists
    from recsys_spark.reader import Output

HELP = "what has changed from one run to another: users, lists, metrics, configuration"

COMPARED = {
    "config_hash": "configuration",
    "fingerprint": "input",
    "code_version": "code",
    "model_id": "model",
}
"""Columns of the ledger that tell whether two runs were made of the same."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which runs."""
    parser.add_argument("before", metavar="RUN", help="a run_id, or as much of its beginning as no other run has")
    parser.add_argument("after", metavar="RUN", help="the run_id to compare it with")
    parser.add_argument("--most", type=int, default=10, metavar="N", help="items to show at most; default: 10")


def answer(output: Output, given: argparse.Namespace) -> Answer:
    """By the ledger, the history of lists and what was measured."""
    from recsys_spark.lookup.differences import differences

    entered = ledger(output)
    runs = [_run(entered, wanted, at=str(output.path)) for wanted in (given.before, given.after)]
    lists = [_lists(output, _listed_as(run)) for run in runs]
    found = differences(*lists, most=max(given.most, 0))
    same = {name: _same(*(run[name] for run in runs)) for name in COMPARED}
    metrics = _metrics(output, *(_listed_as(run) for run in runs))
    titles = titles_of(output, [item.item_id for item in (*found.entered, *found.left)])
    values = {"runs": runs, "same": same, **_values(found, titles), "metrics": metrics}
    return Answer(values, _parts(runs, same, found, titles, metrics))


def _run(entered: Sequence[dict[str, Any]], wanted: str, *, at: str) -> dict[str, Any]:
    """The row of the ledger of a run named by its id or its beginning."""
    by_id = {str(row["run_id"]): row for row in entered}
    found = [wanted] if wanted in by_id else [run_id for run_id in by_id if run_id.startswith(wanted)]
    if len(found) == 1:
        return by_id[found[0]]
    newest = ", ".join(sorted(found or by_id, reverse=True)[:5])
    raise NotFoundError(
        f"run {wanted!r}",
        expected=f"a run of the ledger of {at}",
        found=f"{len(found)} that begin so" if found else "none of that id",
        hint=f"the newest are: {newest}" if newest else "nothing was published there yet",
    )


def _listed_as(run: Mapping[str, Any]) -> str:
    """The run whose lists they are: a rollback shows those of an earlier one."""
    return str(run.get("restored_run") or run["run_id"])


def _lists(output: Output, run_id: str) -> Lists:
    from recsys_spark.lookup.differences import Lists

    entries = output.rows("top_n_history", ["user_id", "item_id", "rank"], run_id=run_id, variant=None)
    outcomes = output.rows("user_outcomes", ["user_id"], run_id=run_id)
    if not entries.num_rows and not outcomes.num_rows:
        kept = sorted(set(output.rows("user_outcomes", ["run_id"])["run_id"].unique().to_pylist()), reverse=True)
        raise NotFoundError(
            f"the lists of run {run_id}",
            expected="a run whose lists are kept",
            found="none of its rows in top_n_history",
            hint=f"output.history says how many runs are kept; there are: {', '.join(kept[:7]) or 'none'}",
        )
    return Lists(entries, outcomes["user_id"])


def _same(before: Any, after: Any) -> bool | None:
    """None: it cannot be told, as one of them is unknown."""
    return None if before is None or after is None else bool(before == after)


def _metrics(output: Output, before: str, after: str) -> list[dict[str, Any]]:
    """The figures of both models, of all rows, in the order of their names."""
    if not output.has("metrics"):
        return []
    sides: list[dict[tuple[Any, ...], float]] = []
    for run in (before, after):
        rows = output.rows("metrics", run_id=run, scorer="main", segment=None, epoch=None).to_pylist()
        sides.append({(r["split"], r["strategy"], r["protocol"], r["metric"], r["k"]): r["value"] for r in rows})
    keys = sorted(sides[0].keys() | sides[1].keys(), key=lambda key: (key[:4], key[4] or 0))
    names = ("split", "strategy", "protocol", "metric", "k")
    return [
        dict(zip(names, key, strict=True)) | {"before": sides[0].get(key), "after": sides[1].get(key)} for key in keys
    ]


def _values(found: Differences, titles: Mapping[Any, str | None]) -> dict[str, Any]:
    return {
        "users": {"before": found.users_before, "after": found.users_after, "gained": found.gained, "lost": found.lost},
        "lists": {"compared": found.compared, "overlap": found.overlap, "unchanged": found.unchanged},
        "entered": [asdict(item) | {"title": titles.get(item.item_id)} for item in found.entered],
        "left": [asdict(item) | {"title": titles.get(item.item_id)} for item in found.left],
    }


def _parts(
    runs: Sequence[Mapping[str, Any]],
    same: Mapping[str, bool | None],
    found: Differences,
    titles: Mapping[Any, str | None],
    metrics: Sequence[Mapping[str, Any]],
) -> list[str | Grid]:
    columns = (TextColumn(""), TextColumn("before"), TextColumn("after"), TextColumn(""))
    words = {True: "same", False: "another", None: "unknown"}
    cells = [["run", *(str(run["run_id"]) for run in runs), ""], ["as of", *(str(run["as_of"]) for run in runs), ""]]
    cells += [
        [told_as, *(str(run[name] or "") for run in runs), words[same[name]]] for name, told_as in COMPARED.items()
    ]
    parts: list[str | Grid] = [Grid("", columns, cells), "", *_told(found)]
    for title, items in (("items that entered most lists", found.entered), ("items that left most lists", found.left)):
        if items:
            parts.append(_items_grid(title, items, titles))
    tested = [row for row in metrics if row["split"] == "test"]
    parts.append(_metrics_grid(tested) if tested else "neither run was measured on a test part")
    return parts


def _told(found: Differences) -> list[str]:
    def some(ids: Sequence[Any]) -> str:
        return f" ({', '.join(map(str, ids[:5]))}{', ...' if len(ids) > 5 else ''})" if ids else ""

    users = f"users: {found.users_before:,} before, {found.users_after:,} after"
    turnover = f"{len(found.gained):,} gained{some(found.gained)}, {len(found.lost):,} lost{some(found.lost)}"
    if found.overlap is None:
        return [f"{users}; {turnover}", "no user of both runs has a list"]
    share = f"{found.unchanged:,} unchanged"
    lists = f"lists of {found.compared:,} users of both: mean overlap {found.overlap:.1%}, {share}"
    return [f"{users}; {turnover}", lists]


def _items_grid(title: str, items: Sequence[ItemChange], titles: Mapping[Any, str | None]) -> Grid:
    columns = (
        TextColumn("item", "right"),
        TextColumn("title"),
        TextColumn("lists before", "right"),
        TextColumn("after", "right"),
        TextColumn("change", "right"),
    )
    cells = [
        [
            str(item.item_id),
            titles.get(item.item_id) or "",
            f"{item.before:,}",
            f"{item.after:,}",
            f"{item.after - item.before:+,}",
        ]
        for item in items
    ]
    return Grid(title, columns, cells)


def _metrics_grid(rows: Sequence[Mapping[str, Any]]) -> Grid:
    columns = tuple(
        TextColumn(name, "left" if name == "metric" else "right") for name in ("metric", "before", "after", "change")
    )
    how = {(row["strategy"], row["protocol"]) for row in rows}
    cells = []
    for row in rows:
        name = row["metric"] if row["k"] is None else f"{row['metric']}@{row['k']}"
        name = name if len(how) == 1 else f"{name} ({row['strategy']}, {row['protocol']})"
        before, after = row["before"], row["after"]
        digits = 0 if all(value is None or value.is_integer() for value in (before, after)) else 4
        change = "" if before is None or after is None else f"{after - before:+,.{digits}f}"
        cells.append([name, told(before, digits), told(after, digits), change])
    return Grid("the models on the test part", columns, cells)
