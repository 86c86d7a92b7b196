"""Texts beside the tables that may name a user: messages in summaries, and lists of users in configurations."""

from __future__ import annotations

from typing import Any

import yaml

from recsys_spark.ingest.forgotten import Forgotten
from recsys_spark.storage import Folder

NOT_KEPT = "not kept: it named a forgotten user"

BEST = "best.yaml"


def clean_summaries(summaries: Folder, forgotten: Forgotten) -> int:
    """Take out messages, hints and warnings that name a forgotten user; gives how many summaries had such.

    A number in a message is taken for an id that is written alike.
    """
    changed = 0
    for name in summaries.children():
        before = summaries.read_json(name) if name.endswith(".json") else None
        if before is None:
            continue
        after = before | {key: _cleaned(before.get(key), forgotten) for key in ("error", "warnings")}
        if after != before:
            summaries.write_json(name, after)
            changed += 1
    return changed


def clean_found_settings(tuning: Folder, forgotten: Forgotten) -> int:
    """Take forgotten users out of `scoring.users` of the configurations that searches have left; gives how many had."""
    changed = 0
    for study in tuning.children():
        files, path = (tuning / study / BEST).arrow
        if not (tuning / study / BEST).exists():
            continue
        with files.open_input_stream(path) as stream:
            text = stream.read().decode()
        tree = yaml.safe_load(text) or {}
        users = (tree.get("scoring") or {}).get("users") or []
        kept = [user for user in users if not forgotten.names(user)]
        if kept != users:
            tree["scoring"]["users"] = kept
            head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
            cleaned = head + yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
            with files.open_output_stream(f"{path}.forgetting") as stream:
                stream.write(cleaned.encode())
            files.move(f"{path}.forgetting", path)
            changed += 1
    return changed


def _cleaned(value: Any, forgotten: Forgotten) -> Any:
    if isinstance(value, dict):
        return {key: _cleaned(inner, forgotten) for key, inner in value.items()}
    if isinstance(value, list):
        return [_cleaned(inner, forgotten) for inner in value]
    return NOT_KEPT if isinstance(value, str) and forgotten.named_in(value) else value
