"""The stored artefacts: those that something names stay, and the newest of the others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set

from recsys_spark.maintenance.leftovers import Leftover
from recsys_spark.manifest import MANIFEST
from recsys_spark.storage import Folder

_UNFINISHED = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{32}\.(?P<what>draft|old)")
"""How `artifact.save` names what it writes, and what it puts aside until the new artefact is in its place."""


def put_back(models: Folder) -> list[str]:
    """Give artefacts their names again that a kill has left aside, without the new ones in their places.

    Returns:
        Their names.
    """
    aside = ((name, _UNFINISHED.fullmatch(name)) for name in models.children())
    back = []
    for name, match in aside:
        if match and match["what"] == "old" and not (models / match["name"]).exists():
            (models / name).move(models / match["name"])
            back.append(match["name"])
    return back


def old_models(models: Folder, *, needed: Set[str], keep: int) -> Iterator[Leftover]:
    """What was left unfinished, and the artefacts that nothing needs but for the newest.

    Args:
        models: the folder of all artefacts.
        needed: their names that must stay.
        keep: how many of all stay, the newest, if not more are needed.
    """
    made: list[tuple[str, str]] = []
    for name in models.children():
        if _UNFINISHED.fullmatch(name):
            yield Leftover("temporaries", models / name)
        elif not name.startswith("."):
            made.append((_made_at(models / name), name))
    for _, name in sorted(made, reverse=True)[keep:]:
        if name not in needed:
            yield Leftover("models", models / name, record=MANIFEST)


def _made_at(model: Folder) -> str:
    """When it was made (ISO 8601, UTC); an artefact without a sound manifest is the oldest of all."""
    try:
        return str(model.read_json(MANIFEST)["created_at"])
    except (ValueError, TypeError, KeyError):
        return ""
