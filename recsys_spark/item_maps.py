"""Maps of the items that a model knows: drawn, laid out, published as a table, and as the report's page shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from recsys_spark.bookkeeping import publish_alone
from recsys_spark.evaluation.rating import MAIN
from recsys_spark.job import Job
from recsys_spark.kernels.arrays import F32
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.kernels.similarity import centred_scores
from recsys_spark.planning import have_vectors
from recsys_spark.report.layouts import FEWEST, Layout, layouts
from recsys_spark.report.map_data import map_data
from recsys_spark.report.map_items import MapItems, map_items
from recsys_spark.report.neighbours import neighbours
from recsys_spark.report.settings import MapSettings
from recsys_spark.schemas import EMBEDDING_MAPS, ITEM, PinnedIds
from recsys_spark.similar_items import drawn_users
from recsys_spark.spark_schema import from_arrow


@dataclass(frozen=True, eq=False)
class ItemMaps:
    """The maps of a model.

    Args:
        items: who is on them.
        layouts: one for each map.
        measure: what `vectors` say by their cosine.
        vectors: f32[n, k], of which the likeness of items is taken.
    """

    items: MapItems
    layouts: Sequence[Layout]
    measure: str
    vectors: F32

    @property
    def data(self) -> dict[str, Any]:
        """For the page."""
        return map_data(self.items, self.layouts, neighbours(self.vectors), measure=self.measure)

    @property
    def told(self) -> str:
        """What a reader must know of them."""
        n, known = len(self.items.ids), self.items.known
        drawn = (
            f"{n:,} of the {known:,} items that the model knows, drawn by their numbers of ratings"
            if n < known
            else f"All {n:,} items that the model knows"
        )
        return f"{drawn}. Items that lie close to each other have vectors that are alike; the axes have no meaning."


def make_maps(
    job: Job,
    settings: MapSettings,
    scorers: Mapping[str, PairScorer],
    items: DataFrame,
    ratings: DataFrame | None,
) -> ItemMaps | None:
    """Draw the items and lay their vectors out; none if the model knows too few of them.

    The driver holds what is drawn, and of a model with dense layers the scores of those items for
    `similar_items.users` users.

    Args:
        job: says how far it is, and has the settings of `similar_items`.
        settings: of the maps.
        scorers: the published ones of the model, with a row for every item.
        items: the table `items`.
        ratings: the accepted ones; none: no means are told.
    """
    scorer = scorers[MAIN]
    users, known = have_vectors(scorers)
    drawn = map_items(items, ratings, known & scorer.item.any(axis=1), most=settings.max_items, seed=settings.seed)
    if len(drawn.ids) < FEWEST:
        return None
    vectors = np.ascontiguousarray(scorer.item[drawn.indices])
    measure, compared = "cosine of their vectors", vectors
    if not scorer.is_dot:
        n = len(drawn.ids)
        of_drawn = replace(scorer, item=vectors)
        asked = drawn_users(job.settings.similar_items, users, n_items=n)
        measure, compared = "correlation of their scores", centred_scores(of_drawn, asked, np.arange(n, dtype=np.int32))
    return ItemMaps(drawn, list(layouts(vectors, settings, job.progress.say)), measure, compared)


def publish_maps(job: Job, maps: ItemMaps, ids: PinnedIds, model_id: str) -> None:
    """Make the table `embedding_maps` of them: a row for each item and map, made on the driver."""
    signed = {
        "run_id": job.run.run_id,
        "model_id": model_id,
        "as_of": job.run.as_of,
        "generated_at": datetime.now(UTC),
    }
    schema, n = EMBEDDING_MAPS.arrow(ids), len(maps.items.ids)
    tables = []
    for layout in maps.layouts:
        columns: dict[str, Any] = {
            "item_id": pa.array(maps.items.ids, ids.arrow(ITEM)),
            "x": layout.points[:, 0],
            "y": layout.points[:, 1],
        }
        same = {"method": layout.method, "parameter": layout.parameter, "normalised": layout.normalised} | signed
        columns |= {name: pa.repeat(pa.scalar(value, schema.field(name).type), n) for name, value in same.items()}
        tables.append(pa.table([columns[name] for name in schema.names], schema=schema))
    publish_alone(job, ids, EMBEDDING_MAPS, from_arrow(job.spark, pa.concat_tables(tables)))
