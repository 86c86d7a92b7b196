"""Runs a case and judges it: the re-run equals the clean one, a reader saw only complete runs, no rubbish is left."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tests.chaos.cases import Case, Harm
from tests.chaos.night import Night
from tests.chaos.rubbish import inventory, rubbish
from tests.end_to_end.runs import PROJECT, Finished

DAYS = ("2026-03-01", "2026-03-02")


@dataclass(frozen=True)
class Clean:
    """What nights are when nothing happens to them.

    Args:
        first: output of the first night, which every case starts from.
        ratings: what the first and the second night read.
        rows: of the second night.
        counts: rows of `top_n` after the first and after the second night.
        files: that there are after the second night and `maintain`.
    """

    first: Path
    ratings: tuple[Path, Path]
    rows: pd.DataFrame
    counts: tuple[int, int]
    files: Counter[str]


@dataclass(frozen=True)
class Verdict:
    """What became of a case."""

    place: str
    format: str
    happened: bool
    """Whether what was meant to happen did, before the night ended."""

    code: int
    status: str
    reader_looks: int
    reader_clean: bool
    rerun: str
    """Status of the night that was started afterwards."""

    equal: bool
    rubbish: list[str]
    """What `maintain` leaves after that which is not in an output to which nothing happened."""

    seconds: float

    @property
    def good(self) -> bool:
        """Whether all is as it must be."""
        return self.reader_clean and self.equal and self.rerun in ("published", "nothing_to_do") and not self.rubbish


def clean_nights(folder: Path, sample: Path, output_format: str) -> Clean:
    """Run two nights that nothing happens to.

    Args:
        folder: for ratings and outputs.
        sample: a file of ratings; the first night gets nine tenths of its lines.
        output_format: delta or parquet.

    Raises:
        RuntimeError: one of them fails.
    """
    lines = sample.read_text().splitlines(keepends=True)
    folder.mkdir(parents=True, exist_ok=True)
    ratings = folder / "some.txt", folder / "all.txt"
    ratings[0].write_text("".join(line for n, line in enumerate(lines) if n % 10))
    ratings[1].write_text("".join(lines))
    first, second = folder / "first", folder / "second"
    counts = [_finish(first, ratings[0], DAYS[0], output_format)]
    shutil.copytree(first, second, symlinks=True)
    counts.append(_finish(second, ratings[1], DAYS[1], output_format))
    rows = rows_of(second)
    if failures := _maintain(second, output_format):
        raise RuntimeError(f"a night that nothing happened to: {failures}")
    files = inventory(second)
    shutil.rmtree(second)
    return Clean(first, ratings, rows, (counts[0], counts[1]), files)


def judge(case: Case, clean: Clean, folder: Path) -> Verdict:
    """Let the second night suffer a case, run it again, and look at what is there."""
    began, output = time.monotonic(), folder / "output"
    shutil.copytree(clean.first, output, symlinks=True)
    with _reader(output, folder / "reader.log"):
        nights = [_suffer(case, harm, clean, output) for harm in (case.harm, *case.further)]
        again = Night(output, clean.ratings[1], DAYS[1], settings=(f"output.format={case.format}",))
        _, after = again.end()
    looks, clean_looks = _looks(folder / "reader.log", clean.counts)
    happened = all(done for done, _, _ in nights)
    _, code, summary = nights[0]
    if case.survives and code != 0:
        clean_looks = False
    found = rows_of(output)
    # older versions go at once, so the reader has left before
    failures = _maintain(output, case.format)
    return Verdict(
        place=case.place,
        format=case.format,
        happened=happened,
        code=code,
        status=summary.get("status", "killed"),
        reader_looks=looks,
        reader_clean=clean_looks,
        rerun=after.get("status", f"none: {again.errors[-500:]}"),
        equal=found.equals(clean.rows) and rows_of(output).equals(clean.rows),
        rubbish=[*failures, *rubbish(output, clean.files)],
        seconds=round(time.monotonic() - began, 1),
    )


def _suffer(case: Case, harm: Harm, clean: Clean, output: Path) -> tuple[bool, int, dict[str, Any]]:
    """Start the second night and do it harm; gives whether it was done, exit code and summary."""
    night = Night(
        output,
        clean.ratings[1],
        DAYS[1],
        options=case.options,
        settings=(f"output.format={case.format}", *case.settings),
        file_size=case.file_size,
    )
    happened = harm(night, output)
    return happened, *night.end()


def rows_of(output: Path) -> pd.DataFrame:
    """What two runs are compared by: lists and outcomes of the visible run."""
    finished = Finished(0, {"run_id": ""}, [], "", output)
    lists = finished.table("top_n")
    outcomes = finished.table("user_outcomes")
    run_id = lists.run_id.iloc[0]
    mine = outcomes[outcomes.run_id.astype(str) == run_id][["user_id", "outcome", "n_items"]]
    columns = ["user_id", "variant", "rank", "item_id", "score"]
    rows = lists[columns].merge(mine, on="user_id", how="outer")
    return rows.sort_values(["user_id", "rank"]).reset_index(drop=True)


def record(verdicts: list[Verdict], file: Path) -> None:
    """Keep what was seen."""
    file.write_text(json.dumps([asdict(verdict) for verdict in verdicts], indent=1) + "\n")


def _finish(output: Path, ratings: Path, day: str, output_format: str) -> int:
    night = Night(output, ratings, day, settings=(f"output.format={output_format}",))
    code, summary = night.end()
    if code != 0 or summary["status"] != "published":
        raise RuntimeError(f"a night that nothing happened to: {summary}\n{night.errors[-3000:]}")
    return int(summary["counts"]["rows_published"])


def _maintain(output: Path, output_format: str) -> list[str]:
    """Let go at once all that may ever go; gives what went wrong with it."""
    at_once = ("grace_hours=0", "vacuum_hours=0", "allow_short_retention=true")
    settings = (f"output.format={output_format}", *(f"maintenance.{setting}" for setting in at_once))
    upkeep = Night(output, output / "gone.txt", DAYS[1], job="maintain", settings=settings)
    code, summary = upkeep.end()
    return [] if code == 0 else [f"maintain ended with {code}: {summary.get('error') or upkeep.errors[-500:]}"]


@contextmanager
def _reader(output: Path, log: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.chaos.reader", str(output), str(log)]
    process = subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE)
    try:
        yield
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)


def _looks(log: Path, counts: tuple[int, int]) -> tuple[int, bool]:
    seen = [json.loads(line) for line in log.read_text().splitlines()]
    looks = seen.pop()["looks"]
    complete = all("error" not in s and len(s["runs"]) == 1 and s["rows"] in counts for s in seen)
    # runs sort by time: an earlier one must not come back
    order = [s["runs"][0] for s in seen] if complete else []
    return looks, complete and looks > 0 and order == sorted(order)
