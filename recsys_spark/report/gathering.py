"""From the tables of an output to the facts of one of its runs: what Spark adds up for a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.publishing.ledger import Entry
from recsys_spark.publishing.sink import Sink
from recsys_spark.report.density import Density, densities
from recsys_spark.report.facts import Exposure, Facts, Figure, Figures, Outcome, Quarantined
from recsys_spark.report.histograms import Histogram, of_lengths, of_numbers, of_ratings, of_scores
from recsys_spark.report.settings import ReportSettings
from recsys_spark.schemas import (
    ITEMS,
    METRICS,
    QUARANTINE,
    RATINGS,
    RUNS,
    TOP_N_HISTORY,
    USER_OUTCOMES,
    USERS,
    TableSchema,
)
from recsys_spark.side_by_side import side_by_side

SHOWN_ITEMS = 10


@dataclass(frozen=True)
class Tables:
    """The tables of an output, as far as they tell of one run.

    Args:
        sink: of the output.
        run_id: the run.
    """

    sink: Sink
    run_id: str

    def mine(self, table: TableSchema, run_id: str | None = None) -> DataFrame | None:
        """The rows of a run, of this one if no other is named; none if there is no such table."""
        rows = self.sink.read(table)
        return None if rows is None else rows.where(F.col("run_id") == (run_id or self.run_id))

    def lists(self, run_id: str | None = None) -> DataFrame | None:
        """The first list of each user."""
        rows = self.mine(TOP_N_HISTORY, run_id)
        return None if rows is None else rows.where(F.col("variant").isNull())

    def is_newest(self) -> bool:
        """Whether no later run has published: then ratings, items, users and quarantine are this run's."""
        runs = self.sink.read(RUNS)
        if runs is None:
            return False
        own = runs.where((F.col("status") == "published") & F.col("restored_run").isNull())
        newest = own.orderBy(F.desc("run_id")).select("run_id").head()
        return newest is not None and newest["run_id"] == self.run_id

    def before(self, entry: Entry) -> str | None:
        """The run that was published before a run; none: it was the first."""
        runs = self.sink.read(RUNS)
        if runs is None:
            return None
        own = runs.where((F.col("status") == "published") & F.col("restored_run").isNull())
        last = own.where(F.col("run_id") < entry.run_id).orderBy(F.desc("run_id")).select("run_id").head()
        return None if last is None else str(last["run_id"])


def gather(
    tables: Tables,
    entry: Entry,
    before: Entry | None,
    settings: ReportSettings,
    *,
    summary: Mapping[str, Any],
    model: Mapping[str, Any],
    predicts: PairScorer | None,
) -> Facts:
    """The facts of a run.

    Args:
        tables: of the output.
        entry: the run, as the ledger tells.
        before: the run that was published before.
        settings: of the report.
        summary: of the run; empty if it is gone.
        model: the settings of its model by section, as the artefact tells.
        predicts: the evaluated fit's scorer of ratings; none: there is none.
    """
    newest = tables.is_newest()
    ratings, items, users = (tables.sink.read(t) if newest else None for t in (RATINGS, ITEMS, USERS))
    lists, outcomes = tables.lists(), tables.mine(USER_OUTCOMES)

    def compared() -> list[Density]:
        if ratings is None or predicts is None:
            return []
        n = entry.counts.get("ratings_accepted", 0)
        return densities(ratings, predicts, most=settings.compared_ratings, n_ratings=n, seed=settings.seed)

    def counted(frame: DataFrame | None) -> Histogram | None:
        return None if frame is None else of_numbers(frame.where("in_source"), "n_ratings")

    found = side_by_side(
        lambda: _quarantined(tables) if newest else [],
        lambda: None if ratings is None else of_ratings(ratings),
        lambda: counted(items),
        lambda: counted(users),
        compared,
        lambda: None if lists is None else of_scores(lists),
        lambda: None if outcomes is None else of_lengths(outcomes),
        lambda: [] if outcomes is None else _outcomes(outcomes),
        lambda: [] if lists is None else _exposure(lists, tables.sink.read(ITEMS)),
        lambda: figures_of(tables, entry.run_id),
        lambda: None if before is None else figures_of(tables, before.run_id),
    )
    quarantined, rated, of_items, of_users, compared_parts, scores, lengths, ends, exposure, figures, then = found
    last = None if before is None or scores is None else tables.lists(before.run_id)
    return Facts(
        entry=entry,
        summary=summary,
        figures=figures,
        model=str(model.get("model", {}).get("name", "model")),
        settings=model,
        now_only=newest,
        quarantined=quarantined,
        ratings=rated,
        items=of_items,
        users=of_users,
        densities=compared_parts,
        scores=scores,
        lengths=lengths,
        outcomes=ends,
        exposure=exposure,
        before=before,
        figures_before=then,
        scores_before=None if last is None else of_scores(last, (scores.edges[0], scores.edges[-1])),
    )


def figures_of(tables: Tables, run_id: str) -> Figures:
    """All that was measured in a run; some thousand rows at most, collected."""
    rows = tables.mine(METRICS, run_id)
    if rows is None:
        return Figures([])
    # a table of an earlier version may lack a column
    columns = [name if name in rows.columns else F.lit(None).alias(name) for name in Figure._fields]
    return Figures(Figure(*row) for row in rows.select(*columns).collect())


def _quarantined(tables: Tables) -> list[Quarantined]:
    rows = tables.mine(QUARANTINE)
    if rows is None:
        return []
    found = rows.groupBy("reason", "class").count().collect()
    return sorted((Quarantined(*row) for row in found), key=lambda q: (-q.rows, q.reason))


def _outcomes(outcomes: DataFrame) -> list[Outcome]:
    found = outcomes.groupBy("outcome", "reason").count().collect()
    return sorted((Outcome(*row) for row in found), key=lambda o: (-o.users, o.outcome, o.reason))


def _exposure(lists: DataFrame, items: DataFrame | None) -> list[Exposure]:
    most = lists.groupBy("item_id").count().orderBy(F.desc("count"), "item_id").limit(SHOWN_ITEMS)
    if items is not None:
        most = most.join(items.select("item_id", "title"), on="item_id", how="left")
    else:
        most = most.withColumn("title", F.lit(None).cast("string"))
    rows = most.select("item_id", "title", "count").collect()
    return sorted((Exposure(str(r[0]), r[1], r[2]) for r in rows), key=lambda e: (-e.lists, e.item))
