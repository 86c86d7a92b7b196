"""Which items are on the maps, and what is told of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.kernels.arrays import I32, Flags
from recsys_spark.spark_schema import from_arrow

TEXT_SHOWN = 160
"""Characters of a text; a page with ten thousand descriptions would not open on a phone."""

_DRAWS = 1 << 40


class MapItems(NamedTuple):
    """The items of the maps, in the order of their indices."""

    ids: list[Any]
    indices: I32
    titles: list[str | None]
    n_ratings: list[int]
    mean_rating: list[float | None]
    attributes: dict[str, list[str | None]]
    """Each further column of the items' table, as text."""

    known: int
    """How many items the model knows: if these are more, the ones here were drawn."""


def map_items(
    items: DataFrame, ratings: DataFrame | None, known: Flags, *, most: int, seed: int, columns: Sequence[str] = ()
) -> MapItems:
    """The items that the model knows; of many some, drawn without replacement, by their numbers of ratings.

    Drawn by Efraimidis and Spirakis (2006), *Weighted random sampling with a reservoir*: the items with the largest
    u^(1/w), u from a hash of the index and w one more than the number of ratings; the same in any partitioning. The
    driver gets the drawn items, and holds a flag for each item.

    Args:
        items: the table `items`.
        ratings: the accepted ones, for means; none: there are no means.
        known: bool[n_items]: whether the model has learnt a vector.
        most: how many are drawn.
        seed: of the draw.
        columns: the attributes to tell; none: all that there are.
    """
    unknown = pa.table({"item_index": pa.array(np.flatnonzero(~known), pa.int32())})
    within = items.where(F.col("item_index") < len(known))
    within = within.join(from_arrow(items.sparkSession, unknown), on="item_index", how="left_anti")
    u = (F.pmod(F.xxhash64("item_index", F.lit(seed)), F.lit(_DRAWS)) + 1) / (_DRAWS + 1)
    drawn = within.orderBy(-F.log(u) / (F.col("n_ratings") + 1), "item_index").limit(most)
    if ratings is not None:
        means = ratings.groupBy("item_index").agg(F.avg("rating").alias("mean_rating"))
        drawn = drawn.join(means, on="item_index", how="left")
    else:
        drawn = drawn.withColumn("mean_rating", F.lit(None).cast("double"))
    rows = sorted(drawn.collect(), key=lambda row: int(row["item_index"]))
    attributes = [row["attributes"] or {} for row in rows]
    names = columns or sorted({name for of_item in attributes for name in of_item})
    return MapItems(
        [row["item_id"] for row in rows],
        np.array([row["item_index"] for row in rows], np.int32),
        [_cut(row["title"]) for row in rows],
        [row["n_ratings"] for row in rows],
        [row["mean_rating"] for row in rows],
        {name: [_cut(of_item.get(name)) for of_item in attributes] for name in names},
        int(known.sum()),
    )


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= TEXT_SHOWN else text[: TEXT_SHOWN - 1] + "…"
