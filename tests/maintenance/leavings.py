"""Makes folders as jobs leave them, of any age."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from recsys_spark.maintenance.leftovers import Leftover, Removed, remove

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HEX = "0123456789abcdef" * 2


def put(path: Path, content: str | dict[str, Any] = "x", *, days_old: float = 30) -> Path:
    """Write a file; it and its folder are of that age before `NOW`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    at = (NOW - timedelta(days=days_old)).timestamp()
    for place in (path, path.parent, path.parent.parent):
        os.utime(place, (at, at))
    return path


def removed(leftovers: Iterable[Leftover], *, before: datetime = NOW) -> Removed:
    """Remove them; nothing may go wrong."""
    done = Removed()
    complaints: list[str] = []
    remove(leftovers, before=before, removed=done, complain=complaints.append)
    assert complaints == []
    return done


def tree(folder: Path) -> set[str]:
    """Every file and folder below, by its path in the folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
