"""A first look at lines of delimited text: how they are split, and how many columns they have."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence

from recsys_spark.ingest.table_source import TableSource

LINES = 20
"""Lines that are looked at."""


def split(line: str, source: TableSource) -> list[str]:
    """A line's fields, by the separator and quotation mark of the settings."""
    if len(source.separator) > 1 or not source.quote:
        return [field.strip(source.quote or None) for field in line.split(source.separator)]
    try:
        return next(csv.reader([line], delimiter=source.separator, quotechar=source.quote))
    except csv.Error:  # a field of more than 128 KiB, which Spark takes
        return line.split(source.separator)


def usual_width(lines: Sequence[str], source: TableSource) -> int:
    """The number of columns that most of some lines have; of equals, that of the earlier line.

    Where no header names the columns, the first line alone must not decide: it may be the broken one.
    """
    widths = Counter(len(split(line, source)) for line in lines)
    return widths.most_common(1)[0][0]
