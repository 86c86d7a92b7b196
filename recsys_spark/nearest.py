"""What somebody may have meant who names an id that does not exist."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any


def nearest(wanted: Any, ids: Sequence[Any], n: int = 5) -> list[Any]:
    """The ids that are nearest to one that does not exist: numbers by distance, text by how it is written.

    Args:
        wanted: what was asked for.
        ids: all that exist, of one type.
        n: how many, at most; of text only what is written alike.

    Example:
        >>> nearest(945, [1, 942, 943], 2)
        [943, 942]
    """
    if not ids:
        return []
    if isinstance(ids[0], int):
        return heapq.nsmallest(n, ids, key=lambda i: (abs(i - int(wanted)), i))
    from rapidfuzz import fuzz, process

    found = process.extract(str(wanted), ids, scorer=fuzz.ratio, limit=n, score_cutoff=50)
    return [text for text, _, _ in found]
