"""What a sub-command gives back: values for programs, and the same as text and tables for people."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Protocol

from recsys_spark.text_table import TextColumn

if TYPE_CHECKING:
    from recsys_spark.reader import Output


@dataclass(frozen=True)
class Grid:
    """A table on the terminal.

    Args:
        title: above it; may be empty.
        columns: in order.
        rows: texts in the order of the columns, as they are in the data: whoever shows them makes them harmless.
    """

    title: str
    columns: Sequence[TextColumn]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Answer:
    """The answer to one question.

    Args:
        values: what `--json` prints, figures as they are stored.
        parts: what a person sees, from top to bottom: texts of one line each, and tables.
    """

    values: Mapping[str, Any]
    parts: Sequence[str | Grid] = field(default_factory=list)


class Question(Protocol):
    """A module that answers one sub-command. It imports at its top nothing that takes time."""

    HELP: str

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what the sub-command takes."""

    def answer(self, output: Output, given: argparse.Namespace) -> Answer:
        """Answer it."""


def plain_values(value: Any) -> Any:
    """Values as JSON can hold them: dates as ISO 8601; what is not finite as null, which JSON knows no name for."""
    if isinstance(value, Mapping):
        return {str(key): plain_values(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(inner) for inner in value]
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def told(value: float | None, digits: int = 4) -> str:
    """A figure for people; nothing where there is none."""
    return "" if value is None else f"{value:,.{digits}f}"
