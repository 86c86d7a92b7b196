"""`recsys runs`: what became of the last runs, as the job `runs` tells it."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from recsys_spark.lookup.answer import Answer

if TYPE_CHECKING:
    from recsys_spark.reader import Output

HELP = "what became of the last runs"


def arguments(parser: argparse.ArgumentParser) -> None:
    """How many."""
    parser.add_argument("--most", type=int, default=20, metavar="N", help="runs to show at most; default: 20")


def answer(output: Output, given: argparse.Namespace) -> Answer:
    """Of the ledger, and of the attempts that only a summary tells of."""
    from recsys_spark.run_list import as_table, past_runs, terminal_width
    from recsys_spark.storage import Folder

    newest = sorted(ledger(output), key=lambda row: str(row["run_id"]), reverse=True)[: max(given.most, 1)]
    found = past_runs(newest, Folder(str(output.path / "summaries")), most=max(given.most, 1))
    visible = output.visible_run()
    values = {"visible": visible, "runs": [asdict(run) for run in found]}
    if not found:
        return Answer(values, [f"no runs in {output.path} yet"])
    return Answer(values, as_table(found, visible=visible, width=terminal_width()).split("\n"))


def ledger(output: Output) -> list[dict[str, Any]]:
    """The rows of the table `runs`, figures by their names; none if nothing was ever published."""
    if not output.has("runs"):
        return []
    rows = output.rows("runs").to_pylist()
    return [row | {name: dict(row[name] or []) for name in ("counts", "seconds")} for row in rows]
