"""What a killed night may have left in an output folder after `maintain`: nothing, as a stranger to the jobs counts.

Nothing here asks the product what may stay. Outside of the Delta tables there must be the same files, by kind, as in an
output to which nothing happened; inside of them no data file but those of the newest version, and no file of the log
but those that Delta's protocol names; in tables with rows of several runs none of a run that the ledger does not know.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable

_OF_SEVERAL_RUNS = ("top_n_history", "user_outcomes", "metrics")

_VARYING = re.compile(
    r"\d{8}T\d{6}-[0-9a-f]{6}"  # run_id
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"  # of Spark's files
    r"|(?<=part-)\d{5}(-c000)?"
    r"|(?<=state/lock/)\d+"
)

_LOG = re.compile(r"\d{20}\.(json|crc|checkpoint\.parquet)|_last_checkpoint|_last_vacuum_info")
"""What may lie in `_delta_log`, beside checksums of these."""


def inventory(output: Path) -> Counter[str]:
    """The files outside of Delta tables, with what differs from run to run left out of their names.

    Summaries are not among them: each attempt has one, killed or not.
    """
    files = (path for path in output.rglob("*") if path.is_symlink() or path.is_file())
    names = (str(path.relative_to(output)) for path in files)
    tables = tuple(f"{table.name}/" for table in _delta_tables(output))
    return Counter(_VARYING.sub("*", name) for name in names if not name.startswith((*tables, "summaries/")))


def rubbish(output: Path, expected: Counter[str]) -> list[str]:
    """What is too much, and what is missing.

    Args:
        output: after `maintain`, which was allowed to remove all that it can.
        expected: the inventory of an output after the same nights, to which nothing happened.
    """
    found = inventory(output)
    too_much = [f"{name}: {n} too many" for name, n in sorted((found - expected).items())]
    missing = [f"{name}: {n} missing" for name, n in sorted((expected - found).items())]
    in_tables = [what for table in _delta_tables(output) for what in _beside(table)]
    return [*too_much, *missing, *in_tables, *_of_unknown_runs(output)]


def _delta_tables(output: Path) -> list[Path]:
    return sorted(log.parent for log in output.glob("*/_delta_log"))


def _beside(table: Path) -> Iterator[str]:
    named = {unquote(path) for path in DeltaTable(table).get_add_actions(flatten=True)["path"].to_pylist()}
    for path in sorted(table.rglob("*")):
        name = str(path.relative_to(table))
        in_log = name.startswith("_delta_log/")
        if path.is_dir():
            # Delta makes folders of its own beside its log
            if not any(path.iterdir()) and not in_log:
                yield f"{table.name}/{name}: an empty folder"
        elif in_log:
            if _LOG.fullmatch(re.sub(r"^\.(.+)\.crc$", r"\1", path.name)) is None:
                yield f"{table.name}/{name}: no file of a Delta log"
        elif name not in named and not path.name.endswith(".crc"):
            yield f"{table.name}/{name}: in no version"


def _of_unknown_runs(output: Path) -> Iterator[str]:
    ledger = _runs(output, "runs")
    for table in _OF_SEVERAL_RUNS:
        for run_id in sorted(_runs(output, table) - ledger):
            yield f"{table}: rows of {run_id}, which the ledger does not know"


def _runs(output: Path, table: str) -> set[str]:
    place = output / table
    if (place / "_delta_log").is_dir():
        rows = DeltaTable(place).to_pyarrow_table(columns=["run_id"])
    else:
        linked = output / "current" / table
        # a run's part is a folder `run_id=...`
        rows = ds.dataset(linked if linked.exists() else place, partitioning="hive").to_table(columns=["run_id"])
    return set(map(str, pc.unique(rows["run_id"]).to_pylist()))
