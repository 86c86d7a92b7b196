"""The sums that ranking figures are means of, by group of users: what two runs can be compared by afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from recsys_spark.evaluation.bootstrap import F64
from recsys_spark.evaluation.rating import Metric

USERS, RELEVANT = "n_users", "n_relevant"
"""Columns that tell who was measured by what: two runs agree on them if it was the same."""


@dataclass(frozen=True, eq=False)
class GroupSums:
    """Of one scorer on one part.

    Args:
        split: the part.
        scorer: its name.
        groups: i64[g], the groups of users that have any, ascending; see `bootstrap.user_group`.
        columns: what is summed: `USERS`, `RELEVANT`, then metrics.
        sums: f64[g, columns].
    """

    split: str
    scorer: str
    groups: tuple[int, ...]
    columns: tuple[str, ...]
    sums: F64

    def of(self, column: str) -> F64:
        """f64[g], one of the columns."""
        found: F64 = self.sums[:, self.columns.index(column)]
        return found

    @property
    def metrics(self) -> tuple[str, ...]:
        """Those that there are sums of."""
        return tuple(column for column in self.columns if column not in (USERS, RELEVANT))

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "split": self.split,
            "scorer": self.scorer,
            "groups": list(self.groups),
            "sums": {name: self.of(name).tolist() for name in self.columns},
        }

    @classmethod
    def of_dict(cls, stored: dict[str, Any]) -> Self:
        """From the values of `as_dict`."""
        sums: dict[str, Sequence[float]] = stored["sums"]
        together = np.array(list(sums.values()), np.float64).T.reshape(-1, len(sums))
        return cls(stored["split"], stored["scorer"], tuple(stored["groups"]), tuple(sums), together)


class Measured(NamedTuple):
    """What was measured of a run."""

    metrics: list[Metric]

    groups: list[GroupSums]
    """Of each scorer that ranks, on each part."""
