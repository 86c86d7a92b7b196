"""Answers on a terminal, or as plain text where there is none.

Titles and ids come from anybody's data: whatever a terminal could take for a command, or that turns the text around, is
taken out before it is shown. Rich aligns wide characters and knows how wide the terminal is.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TextIO

from recsys_spark.lookup.answer import Grid

if TYPE_CHECKING:
    from rich.table import Table

WITHOUT_A_TERMINAL = 10_000
"""Columns of text that goes to a file or a pipe: nothing is cut."""

_TURNS_TEXT = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks of direction, by which a title could rearrange what stands beside it."""


def harmless(text: str) -> str:
    r"""Text on one line, without control characters, halves of characters and marks of direction.

    Example:
        >>> harmless("a\x1b[31mb\nc")
        'a[31mb c'
    """
    if text.isascii() and text.isprintable():
        return text
    spaced = "".join(" " if c in "\t\n\r\v\f\x85\u2028\u2029" else c for c in text)
    kept = (c for c in spaced if unicodedata.category(c) not in ("Cc", "Cs") and c not in _TURNS_TEXT)
    return "".join(kept)


def as_text(parts: Sequence[str | Grid], stream: TextIO) -> str:
    """Lines and tables as the stream can show them.

    Args:
        parts: from top to bottom.
        stream: where it goes. Without a terminal, with NO_COLOR, or on a dumb terminal it is text and nothing else.
    """
    from rich.console import Console
    from rich.text import Text

    terminal = stream.isatty()
    styled = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
    width = None if terminal else WITHOUT_A_TERMINAL
    console = Console(file=stream, force_terminal=styled, width=width, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        for part in parts:
            if isinstance(part, str):
                console.print(Text(harmless(part)), soft_wrap=True)
                continue
            if part.title:
                console.print(Text(f"\n{harmless(part.title)}", style="bold"), soft_wrap=True)
            console.print(_table(part))
    return "\n".join(line.rstrip() for line in captured.get().split("\n"))


def _table(grid: Grid) -> Table:
    """Figures and ids are never cut; texts are, where the terminal is too narrow."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for column in grid.columns:
        whole = column.aligned == "right"
        overflow: Literal["fold", "ellipsis"] = "fold" if whole else "ellipsis"
        table.add_column(Text(column.head), justify=column.aligned, no_wrap=whole, overflow=overflow)
    for row in grid.rows:
        table.add_row(*(Text(harmless(cell)) for cell in row))
    return table
