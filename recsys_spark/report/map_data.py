"""The maps as the page's script takes them."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from recsys_spark.kernels.arrays import I32
from recsys_spark.report.layouts import Layout
from recsys_spark.report.map_items import MapItems
from recsys_spark.report.neighbours import Neighbours

MOST_CATEGORIES = 7
"""Colours that can be told apart, beside that of all others."""


def map_data(items: MapItems, maps: Sequence[Layout], alike: Neighbours, *, measure: str) -> dict[str, Any]:
    """Plain values for JSON.

    Args:
        items: of the maps.
        maps: their layouts.
        alike: of the items, likewise.
        measure: what the similarities are, as a reader is told.
    """
    return {
        "ids": [identifier if isinstance(identifier, int) else str(identifier) for identifier in items.ids],
        "titles": items.titles,
        "ratings": items.n_ratings,
        "means": [None if mean is None else round(mean, 3) for mean in items.mean_rating],
        "columns": {name: column_of(values) for name, values in items.attributes.items()},
        "maps": [_map(layout) for layout in maps],
        "nearest": _packed(alike.nearest),
        "similarity": np.round(alike.similarity.ravel() * 1000).astype(int).tolist(),
        "histogram": _packed(alike.histogram),
        "measure": measure,
    }


def column_of(values: Sequence[str | None]) -> dict[str, Any]:
    """A column of the items' table, by what can be done with it.

    Numbers if all that is there is one; categories if the most frequent values cover half of the items; else text,
    which is shown and has no colours.
    """
    there = [value for value in values if value is not None]
    numbers = _numbers(values)
    if numbers is not None and len(set(there)) > MOST_CATEGORIES:
        return {"kind": "number", "values": numbers}
    common = Counter(there).most_common(MOST_CATEGORIES)
    if there and sum(count for _, count in common) * 2 >= len(there) and common[0][1] > 1:
        names = [name for name, _ in common]
        position = {name: at for at, name in enumerate(names)}
        others = len(set(there)) > len(names)
        codes = [-1 if v is None else position.get(v, len(names)) for v in values]
        return {
            "kind": "category",
            "names": [*names, "others"] if others else names,
            "codes": codes,
            "values": list(values),
        }
    return {"kind": "text", "values": list(values)}


def _numbers(values: Sequence[str | None]) -> list[float | None] | None:
    """The values as finite numbers; none if one of them is no such number, or there are none."""
    found: list[float | None] = []
    for value in values:
        try:
            number = None if value is None or not value.strip() else float(value)
        except ValueError:
            return None
        if number is not None and not np.isfinite(number):
            return None
        found.append(number)
    return found if any(number is not None for number in found) else None


def _map(layout: Layout) -> dict[str, Any]:
    spread = float(np.abs(layout.points).max(initial=0)) or 1.0
    # a pixel of a large map is a thousandth
    x, y = (np.round(layout.points[:, axis] / spread, 4).tolist() for axis in (0, 1))
    return {"name": f"{layout.name}{', normalised' if layout.normalised else ''}", "x": x, "y": y}


def _packed(numbers: I32) -> str:
    return base64.b64encode(np.ascontiguousarray(numbers, "<i4").tobytes()).decode()
