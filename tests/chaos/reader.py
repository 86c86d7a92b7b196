"""A reader that polls `top_n` all the time, as a stranger to the jobs: by delta-rs, or through the Parquet pointer.

    python -m tests.chaos.reader OUTPUT LOG

Each line of the log is one look: which runs' rows there were, and how many. It ends when its standard input does.
"""

from __future__ import annotations

import json
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable

SECONDS_BETWEEN = 0.02


def look(output: Path) -> dict[str, Any]:
    """What is visible now."""
    if (output / "top_n" / "_delta_log").is_dir():
        table = DeltaTable(output / "top_n")
        rows, at = table.to_pyarrow_table(columns=["run_id"]), table.version()
    else:
        pointer = json.loads((output / "current.json").read_text())
        place = output / pointer["tables"]["top_n"]
        rows, at = ds.dataset(place).to_table(columns=["run_id"]), pointer["published_at"]
    return {"at": at, "rows": rows.num_rows, "runs": sorted(pc.unique(rows["run_id"]).to_pylist())}


def poll(output: Path, log: Path, ended: Callable[[], bool]) -> None:
    """Look again and again, and write down what is another thing than before."""
    last, looks = None, 0
    with log.open("w", encoding="utf-8") as lines:
        while not ended():
            try:
                seen = look(output)
            except Exception as error:
                seen = {"error": f"{type(error).__name__}: {error}"}
            looks += 1
            if seen != last:
                lines.write(json.dumps(seen) + "\n")
                lines.flush()
            last = seen
            time.sleep(SECONDS_BETWEEN)
        lines.write(json.dumps({"looks": looks}) + "\n")


if __name__ == "__main__":
    poll(Path(sys.argv[1]), Path(sys.argv[2]), lambda: bool(select.select([sys.stdin], [], [], 0)[0]))
