"""Rows as columns of text, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Literal, NamedTuple


class TextColumn(NamedTuple):
    """A column: its head, and on which side its texts begin."""

    head: str
    aligned: Literal["left", "right"] = "left"


def text_table(
    columns: Sequence[TextColumn], rows: Sequence[Sequence[str]], notes: Sequence[str] = (), *, width: int | None = None
) -> str:
    """Heads, a rule, and a line for each row, with two spaces between columns.

    Args:
        columns: in order.
        rows: texts in the order of the columns.
        notes: for each row what stands below it, indented; an empty one takes no line.
        width: notes are cut to it; none: they are not cut.

    Example:
        >>> columns = TextColumn("run"), TextColumn("rows", "right")
        >>> print(text_table(columns, [["a", "12"], ["bc", "3"]], ["", "late"]))
        run  rows
        ---  ----
        a      12
        bc      3
             late
    """
    widths = [max(len(column.head), *(len(row[n]) for row in rows), 0) for n, column in enumerate(columns)]
    indent = " " * (widths[0] + 2)

    def line(texts: Sequence[str]) -> str:
        cells = zip(texts, widths, columns, strict=True)
        return "  ".join(t.rjust(w) if c.aligned == "right" else t.ljust(w) for t, w, c in cells).rstrip()

    lines = [line([column.head for column in columns]), line(["-" * w for w in widths])]
    for row, note in zip_longest(rows, notes[: len(rows)], fillvalue=""):
        lines.append(line(list(row)))
        if note:
            lines.append(_cut(indent + note, width))
    return "\n".join(lines)


def _cut(text: str, width: int | None) -> str:
    return text if width is None or len(text) <= width else text[: max(width - 3, 0)] + "..."
