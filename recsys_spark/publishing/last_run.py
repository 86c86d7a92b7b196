"""The run that is visible, which a new one is compared with before it takes its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.publishing.sink import Sink
from recsys_spark.schemas import ITEMS, METRICS, TOP_N, USER_OUTCOMES, USERS


@dataclass(frozen=True)
class LastRun:
    """What the tables of an output say of their visible run.

    Args:
        run_id: of the run.
        top_n: its rows.
        outcomes: its rows of `user_outcomes`.
        metrics: its rows of `metrics`; none if nothing was ever measured.
        users: as the last ingest that was published has left them.
        items: likewise.
    """

    run_id: str
    top_n: DataFrame
    outcomes: DataFrame
    metrics: DataFrame | None
    users: DataFrame | None = None
    items: DataFrame | None = None

    @classmethod
    def of(cls, sink: Sink) -> Self | None:
        """The visible run; none before the first one."""
        run_id, top_n, outcomes, metrics = sink.visible_run(), *(sink.read(t) for t in (TOP_N, USER_OUTCOMES, METRICS))
        if run_id is None or top_n is None or outcomes is None:
            return None
        mine = F.col("run_id") == run_id
        measured = None if metrics is None else metrics.where(mine)
        return cls(run_id, top_n, outcomes.where(mine), measured, sink.read(USERS), sink.read(ITEMS))

    def test_figure(self, metric: str, *, scorer: str, strategy: str, protocol: str) -> float | None:
        """What a scorer's figure was on the test part; none if it was not measured, or on parts made another way."""
        if self.metrics is None:
            return None
        name, _, k = metric.partition("@")
        row = (
            self.metrics.where(F.col("epoch").isNull() & F.col("segment").isNull() & (F.col("split") == "test"))
            .where((F.col("scorer") == scorer) & (F.col("metric") == name))
            .where(F.col("k").isNull() if not k else F.col("k") == int(k))
            .where((F.col("strategy") == strategy) & (F.col("protocol") == protocol))
            .select("value")
            .head()
        )
        return None if row is None else float(row["value"])
