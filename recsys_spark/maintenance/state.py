"""The vocabularies: what they list stays for ever; additions of nights that ended before theirs was listed go."""

from __future__ import annotations

from collections.abc import Iterator

from recsys_spark.ingest.encoding import Vocabularies
from recsys_spark.maintenance.leftovers import Leftover
from recsys_spark.storage import Folder


def unlisted_additions(state: Folder) -> Iterator[Leftover]:
    """The additions that no vocabulary lists. They were never part of one, so no index depends on them."""
    vocabularies = Vocabularies.load(state)
    sides = () if vocabularies is None else (vocabularies.users, vocabularies.items)
    listed = {addition.folder for side in sides for addition in side.additions}
    for side in ("users", "items"):
        for name in (state / side).children():
            if f"{side}/{name}" not in listed:
                yield Leftover("additions", state / side / name)
