"""How a run stands to the one that readers see: it repeats, replaces or follows it, or belongs to the past."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from recsys_spark.publishing.ledger import Entry


@dataclass(frozen=True)
class Attempt:
    """What a run is before it has done anything.

    Args:
        as_of: its business date.
        fingerprint: of its inputs; none where a source has none.
        config_hash: of its configuration.
        code_version: of this package.
        force: whether it is to run even if nothing changed.
    """

    as_of: date
    fingerprint: str | None
    config_hash: str
    code_version: str
    force: bool = False


@dataclass(frozen=True)
class Standing:
    """How a run stands to the visible one.

    Args:
        visible: the run that readers see, by the ledger; none: there is none yet.
        nothing_to_do: it would be the visible run once more.
        history_only: its business date is before that of the visible run: it enters the history and never `top_n`.
        replaces: why it replaces the visible run, which has the same business date; none: it does not.
    """

    visible: Entry | None = None
    nothing_to_do: bool = False
    history_only: bool = False
    replaces: str | None = None


def standing_to(visible: Entry | None, attempt: Attempt) -> Standing:
    """Compare an attempt with the visible run.

    Args:
        visible: what the ledger says of the run that readers see; none before the first one.
        attempt: the run that starts now.

    Example:
        >>> standing_to(None, Attempt(date(2026, 1, 31), "f", "c", "0.1"))
        Standing(visible=None, nothing_to_do=False, history_only=False, replaces=None)
    """
    if visible is None or attempt.as_of > visible.as_of:
        return Standing(visible)
    if attempt.as_of < visible.as_of:
        return Standing(visible, history_only=True)
    changed = _changes(visible, attempt)
    if not changed and not attempt.force:
        return Standing(visible, nothing_to_do=True)
    return Standing(visible, replaces=", ".join(changed) or "asked for by run.force")


def _changes(visible: Entry, attempt: Attempt) -> list[str]:
    if attempt.fingerprint is None or visible.fingerprint is None:
        inputs = ["whether the input changed cannot be told"]
    else:
        inputs = ["changed input"] if attempt.fingerprint != visible.fingerprint else []
    configuration = ["changed configuration"] if attempt.config_hash != visible.config_hash else []
    code = ["another version of the code"] if attempt.code_version != visible.code_version else []
    return [*inputs, *configuration, *code]
