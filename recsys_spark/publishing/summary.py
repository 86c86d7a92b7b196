"""The summary: one JSON object that says how a job ended, the last line on stdout and a file beside the tables."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from recsys_spark.errors import RecsysError
from recsys_spark.secret import redacted

COUNTS = (
    "ratings_read",
    "ratings_accepted",
    "ratings_quarantined",
    "users",
    "items",
    "test_cold_users",
    "test_cold_items",
    "pairs_read",
    "pairs_ranked",
    "items_compared",
    "items_without_similar",
    "items_with_vector",
    "users_with_vector",
    "users_scored",
    "pairs_scored",
    "pairs_skipped",
    "rows_published",
    "similar_items_published",
    "lists_new",
    "lists_changed",
    "lists_gone",
    "ok",
    "cold_fallback",
    "error",
)

STATUSES = (
    "published",
    "history_only",
    "done",
    "nothing_to_do",
    "dry_run",
    "invalid",
    "data_failed",
    "audit_failed",
    "locked",
    "failed",
)
"""How a job can end; `done` is a job that publishes no `top_n`."""


@dataclass
class Summary:
    """How a job ended.

    `tables` says where they lie, `catalog` what those are called that have a name in one. `counts` holds what is known;
    a job that does one part knows that part. `answers` is the question that lists answer.
    """

    run_id: str | None = None
    job: str | None = None
    as_of: str | None = None
    status: str = "failed"
    tables: dict[str, str] = field(default_factory=dict)
    catalog: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    audit: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    model_id: str | None = None
    answers: str | None = None
    error: dict[str, str] | None = None

    def fail(self, error: Exception) -> int:
        """Take an error in; gives the exit code."""
        if isinstance(error, RecsysError):
            self.status = error.status
            self.error = {"code": error.code, "message": error.message, "hint": error.hint}
            return error.exit_code
        self.status = "failed"
        self.error = {"code": "unexpected", "message": gist(error), "hint": "the traceback is on stderr"}
        return 1

    def as_dict(self) -> dict[str, Any]:
        """Plain values, counts in their documented order, those of a job that counts other things after them."""
        values = asdict(self)
        values["counts"] = {name: self.counts[name] for name in COUNTS if name in self.counts} | self.counts
        return values

    def as_json(self) -> str:
        """One line."""
        return json.dumps(self.as_dict(), ensure_ascii=True, allow_nan=False, default=str)


def gist(error: Exception) -> str:
    """What an error says, in one line: one of ours as it is, of another the kind and the line that says most."""
    return error.message if isinstance(error, RecsysError) else f"{type(error).__name__}: {_gist(str(error))}"


def _gist(text: str) -> str:
    """The line of an error's text that says most: of a Java one the innermost cause, else the first."""
    lines = text.strip().splitlines() or ["no message"]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    return redacted((causes or lines)[-1 if causes else 0])
