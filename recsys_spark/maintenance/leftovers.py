"""What nobody needs any more, and how it goes.

First what makes it count goes (its record, its name), then the rest. So a kill in between leaves nothing that looks
whole, and what it leaves is found the next time.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from recsys_spark.storage import Folder

Kind = Literal["runs", "stages", "models", "additions", "summaries", "temporaries", "files"]
"""runs: lists and folders of old runs; additions: ids of nights that ended badly; temporaries: half-written things;
files: those of Delta tables that no version needs."""


@dataclass(frozen=True)
class Leftover:
    """A folder or a file that may go."""

    kind: Kind
    place: Folder

    record: str | None = None
    """The file inside that makes the folder count: it goes first."""

    hidden_as: str | None = None
    """The name beside it that readers skip: the folder gets it first."""


@dataclass
class Removed:
    """What has gone, by kind."""

    number: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)

    def add(self, kind: Kind, number: int, n_bytes: int) -> None:
        """Count something that has gone."""
        if number:
            self.number[kind] += number
            self.bytes[kind] += n_bytes

    def counts(self) -> dict[str, int]:
        """For the summary: `removed_<kind>` and `removed_<kind>_bytes` of each kind of which something has gone."""
        counts: dict[str, int] = {}
        for kind in self.number:
            counts |= {f"removed_{kind}": self.number[kind], f"removed_{kind}_bytes": self.bytes[kind]}
        return counts

    def __str__(self) -> str:
        told = (f"{kind} {n:,} ({readable(self.bytes[kind])})" for kind, n in self.number.items())
        return ", ".join(told) or "nothing"


def remove(
    leftovers: Iterable[Leftover], *, before: datetime, removed: Removed, complain: Callable[[str], None]
) -> None:
    """Remove those leftovers that nothing was written to since a moment.

    Args:
        leftovers: what may go.
        before: the moment.
        removed: counts what has gone.
        complain: takes what is said of a leftover that cannot be removed; the others go all the same.
    """
    for leftover in leftovers:
        found = leftover.place.contents()
        if found.changed is not None and found.changed > before:
            continue
        try:
            _remove(leftover)
        except OSError as error:
            complain(f"{leftover.place} could not be removed: {error}")
        else:
            removed.add(leftover.kind, 1, found.bytes)


def readable(n_bytes: float) -> str:
    """A number of bytes as a person reads it, such as `1.5 MB`."""
    if n_bytes < 1000:
        return f"{n_bytes:.0f} B"
    power = min(int(math.log10(n_bytes) // 3), 4)
    return f"{n_bytes / 1000**power:.1f} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"


def _remove(leftover: Leftover) -> None:
    place = leftover.place
    if leftover.record is not None:
        (place / leftover.record).delete()
    if leftover.hidden_as is not None:
        hidden = place.parent / leftover.hidden_as
        place.move(hidden)
        place = hidden
    place.delete()
