"""Errors that help the reader to mend them.

Every error that this package raises on purpose says what it is about, what was expected, what was found and how to
mend it. Each class knows the exit code of a job that ends with it and the status that the job's summary shows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self


class RecsysError(Exception):
    """Something a person can mend.

    Args:
        subject: the thing at fault: a configuration key, a file, a table, a column.
        expected: what would have been right.
        found: what was there instead.
        hint: what to do about it; may be empty.

    Example:
        >>> print(ConfigError("split.seed", expected="an integer", found="'x'", hint="write split.seed=42"))
        configuration: split.seed: expected an integer, found 'x'.
          write split.seed=42
    """

    area: ClassVar[str] = "recsys"
    code: ClassVar[str] = "unexpected"
    status: ClassVar[str] = "failed"
    exit_code: ClassVar[int] = 1

    def __init__(self, subject: str, *, expected: str, found: str, hint: str = "") -> None:
        self.subject = subject
        self.expected = expected
        self.found = found
        self.hint = hint
        super().__init__(subject, expected, found, hint)

    @property
    def message(self) -> str:
        """What is wrong, in one line."""
        return f"{self.area}: {self.subject}: expected {self.expected}, found {self.found}."

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class ConfigError(RecsysError):
    """The configuration or the command line is wrong; nothing has been done. Exit code 2."""

    area = "configuration"
    code = "config"
    status = "invalid"
    exit_code = 2


class ConfigErrors(ConfigError):
    """All that is wrong with a configuration, found in one go."""

    def __init__(self, problems: Iterable[ConfigError]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        super().__init__(first.subject, expected=first.expected, found=first.found, hint=first.hint)

    @classmethod
    def raise_if_any(cls, problems: Iterable[ConfigError]) -> None:
        """Raise the problems together, a single one as itself, none not at all."""
        found = tuple(problems)
        if len(found) == 1:
            raise found[0]
        if found:
            raise cls(found)

    @property
    def message(self) -> str:
        """Every problem, each with its hint."""
        return "\n".join(str(problem) for problem in self.problems)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[type[Self], tuple[tuple[ConfigError, ...]]]:
        return type(self), (self.problems,)


class DataError(RecsysError):
    """The data cannot give a trustworthy result; the visible tables stay as they are. Exit code 3."""

    area = "data"
    code = "data"
    status = "data_failed"
    exit_code = 3


class AuditError(RecsysError):
    """A finished stage broke a rule of the audit; it is kept for inspection and not published. Exit code 3."""

    area = "audit"
    code = "audit"
    status = "audit_failed"
    exit_code = 3


class ArtifactError(RecsysError):
    """A stored model is damaged, incomplete, or not what its manifest says; nothing of it was loaded. Exit code 3."""

    area = "artefact"
    code = "artifact"
    status = "data_failed"
    exit_code = 3


class NotFoundError(RecsysError):
    """What was asked for is not there; the message names what is near. Exit code 2."""

    area = "look-up"
    code = "not_found"
    status = "invalid"
    exit_code = 2


class LockedError(RecsysError):
    """Another run holds the output. Exit code 4."""

    area = "lock"
    code = "locked"
    status = "locked"
    exit_code = 4
