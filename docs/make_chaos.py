"""Writes docs/chaos.md from what `make chaos` has seen: `.venv/bin/python docs/make_chaos.py`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

INTRODUCTION = """\
# Nights that something happens to

Written by `docs/make_chaos.py` from `docs/chaos.json`, which `make chaos` writes; do not edit by hand.

Each case starts from the output of a first night, on the sample of ratings that pyspark brings. A second night, with
a tenth more ratings and its own date, runs through `spark-submit.sh`, and something happens to it: SIGKILL to the
driver's Python, to its JVM or to both, at the start or the end of a stage or so many seconds after it; to an executor
or to a Python worker of `local-cluster[2,1,1024]`; a limit on the size of files; a folder that becomes read-only,
also for root (`chattr +i`); the last Parquet file cut to half; speculative tasks. The moments are drawn with a seed.
After each case:

- **the night is started again**, with the same command. It must end as `published` or `nothing_to_do`, and its lists
  and outcomes must equal, row for row, those of a second night to which nothing has happened;
- **a reader** has polled `top_n` every 20 ms all along, by delta-rs or through `current.json`. Each look that differs
  from the one before is in its log: it may hold the rows of one run only, as many as that run has, and no run older
  than one seen before;
- **`maintain`** runs, with every grace period at 0. The lists must stay the same. Then what lies in the output is
  counted by a stranger to the jobs (`tests/chaos/rubbish.py`): the same files as in an output to which nothing has
  happened, no data file that the newest version of its table does not name, no odd file in a Delta log, no row of a
  run that the ledger does not know.

A few of the cases are tests (`tests/end_to_end/test_chaos.py`).
"""


def main() -> None:
    """Write the page beside this file."""
    seen: list[dict[str, Any]] = json.loads((HERE / "chaos.json").read_text())
    places = list(dict.fromkeys((case["place"], case["format"]) for case in seen))
    rows = [row(*place, [case for case in seen if (case["place"], case["format"]) == place]) for place in places]
    head = (
        "| what happened | format | times | how that night ended | started again | rows equal | reader clean (looks) "
        "| rubbish after `maintain` |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    kills = [case for case in seen if "killed" in case["place"] and case["happened"]]
    told = (
        f"{len(seen)} cases, {len(kills)} of them kills that reached their process, "
        f"{sum(case['reader_looks'] for case in seen):,} looks of readers, "
        f"{sum(case['seconds'] for case in seen) / 60:.0f} minutes:"
    )
    (HERE / "chaos.md").write_text("\n".join([INTRODUCTION, told, "", head, *rows]) + "\n", encoding="utf-8")


def row(place: str, output_format: str, cases: list[dict[str, Any]]) -> str:
    """One line for all cases of a place."""
    columns = [
        place,
        output_format,
        str(len(cases)),
        counted(ending(case) for case in cases),
        counted(case["rerun"] for case in cases),
        share(case["equal"] for case in cases),
        f"{share(case['reader_clean'] for case in cases)} ({sum(case['reader_looks'] for case in cases):,})",
        "; ".join(what for case in cases for what in case["rubbish"]) or "none",
    ]
    return f"| {' | '.join(columns)} |"


def ending(case: dict[str, Any]) -> str:
    """How a night ended that something had happened to."""
    told = f"{case['status']}, exit {case['code']}" if case["status"] != "killed" else f"exit {case['code']}"
    return told if case["happened"] else f"{told}, before it could happen"


def counted(what: Any) -> str:
    """Different things, the most frequent first, with their numbers where there are several."""
    found = Counter(what).most_common()
    return ", ".join(f"{n} x {name}" if len(found) > 1 else name for name, n in found)


def share(flags: Any) -> str:
    """Yes if all are."""
    answers = list(flags)
    return "yes" if all(answers) else f"**{sum(answers)} of {len(answers)}**"


if __name__ == "__main__":
    main()
