"""Writes docs/poison.md from the corpus of dirty inputs: `PYTHONPATH=. .venv/bin/python docs/make_poison.py`."""

from __future__ import annotations

from pathlib import Path

from tests.ingest import poison

INTRODUCTION = """\
# Dirty inputs

Written by `docs/make_poison.py` from `tests/ingest/poison.py`; do not edit by hand. `tests/ingest/test_poison.py` holds
the software to every line, and to the same for files whose bytes are changed at random.

Whatever a source holds, a run ends in one of two ways. Either every row read is accepted or in the table `quarantine`,
with a [reason](tables.md#reasons), and the shares are within `quality.max_quarantined_share` (here 90%; 5% by default);
or the run stops, changes no visible table, and says what it expected, what it found, and what to do.

An id is what stands between two separators, to the letter. Ids that differ by spaces, case, Unicode form or marks that
nobody sees are different ids; nothing is trimmed, normalised or escaped, and formulas, quotes, SQL, paths and line ends
mean nothing. Ids that cannot be told apart, because bytes of them could not be decoded, are quarantined.

Where columns are swapped and still make sense (users and items, say), nothing can be noticed. `quality.rating_range`
is what tells ratings from other numbers: set it. Without a header, a line of names among text ids is a row whose rating
is not a number, and its names count as a user and an item that were seen.

Ratings here are comma-separated, with the header `user,item,rating,time` and a `rating_range` of 1 to 5, unless said
otherwise.
"""

SECTIONS = {
    "Encodings and line ends": poison.ENCODINGS,
    "Files": poison.FILES,
    "Columns": poison.COLUMNS,
    "Ids": poison.IDS,
    "Ratings and times": poison.RATINGS,
    "Types of Parquet columns": poison.TYPES,
}


def main() -> None:
    """Write the page beside this file."""
    parts = [INTRODUCTION, *(section(title, inputs) for title, inputs in SECTIONS.items())]
    (Path(__file__).parent / "poison.md").write_text("\n".join(parts), encoding="utf-8")


def section(title: str, inputs: list[poison.Poison]) -> str:
    """The inputs of one kind."""
    rows = [f"| {one.name} | {settings_of(one)} | {escaped(one.outcome.told())} |" for one in inputs]
    return "\n".join([f"## {title}", "", "| input | settings | what becomes of it |", "| --- | --- | --- |", *rows, ""])


def settings_of(one: poison.Poison) -> str:
    """Settings that differ, as they stand behind --set."""
    return ", ".join(f"`` {escaped(setting)} ``" if "`" in setting else f"`{setting}`" for setting in one.settings)


def escaped(text: str) -> str:
    """Text that may stand in a cell."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main()
