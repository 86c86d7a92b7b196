"""Figures of a run against the thresholds of the audit: which are beyond what they may be. Plain Python, no Spark."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from recsys_spark.errors import AuditError
from recsys_spark.publishing.settings import AT_LEAST, AT_MOST, AuditSettings


class Figure(NamedTuple):
    """One figure of a run."""

    value: float | None
    """None: it cannot be told."""

    told: str
    """What it is made of, for people."""

    must_be_known: bool = False
    """Whether a threshold is broken if it cannot be told; else nobody asks."""


class Breach(NamedTuple):
    """A figure that is beyond a threshold."""

    rule: str
    threshold: float
    figure: Figure

    @property
    def expected(self) -> str:
        """What would have been right."""
        least = self.rule.startswith(AT_LEAST)
        return f"{figure_of(self.rule)} at {'least' if least else 'most'} {self.threshold:g}"

    @property
    def found(self) -> str:
        """What was there instead."""
        value = "nothing" if self.figure.value is None else f"{self.figure.value:.6g}"
        return f"{value} ({self.figure.told})"


class Verdict(NamedTuple):
    """The rules that are broken: those that keep a run from being published, and those that only warn."""

    errors: tuple[Breach, ...]
    warnings: tuple[Breach, ...]


def figure_of(rule: str) -> str:
    """The name of the figure that a rule is about."""
    return rule.removeprefix(AT_LEAST).removeprefix(AT_MOST)


def judge(figures: Mapping[str, Figure], audit: AuditSettings) -> Verdict:
    """Hold the figures against the thresholds. Of one rule an error is told, or else a warning.

    Args:
        figures: by name; every rule has one.
        audit: the thresholds.
    """
    errors, warnings = [], []
    for rule, thresholds in audit.rules.items():
        figure = figures[figure_of(rule)]
        if thresholds.error is not None and _beyond(rule, figure, thresholds.error):
            errors.append(Breach(rule, thresholds.error, figure))
        elif thresholds.warn is not None and _beyond(rule, figure, thresholds.warn):
            warnings.append(Breach(rule, thresholds.warn, figure))
    return Verdict(tuple(errors), tuple(warnings))


def warning_of(breach: Breach) -> str:
    """The line that the summary shows."""
    return f"audit.{breach.rule}: expected {breach.expected}, found {breach.found}"


def error_of(
    breaches: tuple[Breach, ...], examples_of: Callable[[str], list[dict[str, Any]]], *, stage: str
) -> AuditError:
    """One error that names every broken rule with its threshold, its figure and some rows.

    Args:
        breaches: at least one.
        examples_of: gives rows that show why a rule, by its name, is broken; none if no row could.
        stage: where the stage lies.
    """
    found = []
    for breach in breaches:
        rows = examples_of(breach.rule)
        shown = f", such as {', '.join(str(row) for row in rows)}" if rows else ""
        found.append(f"{breach.found}{shown}")
    names = [breach.rule for breach in breaches]
    keys = " and ".join(f"audit.{name}.error" for name in names)
    return AuditError(
        f"{'rule' if len(names) == 1 else 'rules'} {', '.join(names)}",
        expected="; ".join(breach.expected for breach in breaches),
        found="; ".join(found),
        hint=f"the visible tables are unchanged; the rows are kept in {stage}; "
        f"if this is as it should be, set {keys} accordingly (null: never) and run again",
    )


def _beyond(rule: str, figure: Figure, threshold: float) -> bool:
    if figure.value is None:
        return figure.must_be_known
    return figure.value > threshold if rule.startswith(AT_MOST) else figure.value < threshold
