"""Which items are on a map."""

from __future__ import annotations

import numpy as np
from pyspark.sql import SparkSession

from recsys_spark.report.map_items import TEXT_SHOWN, map_items

SCHEMA = "item_id long, item_index int, n_ratings long, title string, attributes map<string,string>"


def test_items_that_the_model_does_not_know_are_on_no_map(spark: SparkSession) -> None:
    rows = [(10 * n, n, 5, f"title {n}", {"genre": "a"} if n else None) for n in range(6)]
    ratings = spark.createDataFrame([(1, 2.0), (1, 4.0), (3, 5.0)], "item_index int, rating float")
    known = np.array([True, True, False, True, True])
    found = map_items(spark.createDataFrame(rows, SCHEMA), ratings, known, most=10, seed=1)

    assert found.ids == [0, 10, 30, 40]
    assert found.indices.tolist() == [0, 1, 3, 4]
    assert found.titles == ["title 0", "title 1", "title 3", "title 4"]
    assert found.mean_rating == [None, 3.0, 5.0, None]
    assert found.attributes == {"genre": [None, "a", "a", "a"]}
    assert found.known == 4


def test_of_many_items_those_with_more_ratings_are_drawn_more_often_the_same_in_any_partitioning(
    spark: SparkSession,
) -> None:
    rows = [(n, n, 1000 if n < 300 else 0, None, None) for n in range(3000)]
    items = spark.createDataFrame(rows, SCHEMA)
    found = map_items(items, None, np.ones(3000, bool), most=300, seed=1)
    again = map_items(items.repartition(7), None, np.ones(3000, bool), most=300, seed=1)
    other = map_items(items, None, np.ones(3000, bool), most=300, seed=2)

    assert len(found.ids) == 300
    assert found.ids == again.ids != other.ids
    assert sum(identifier < 300 for identifier in found.ids) > 250
    assert max(found.ids) >= 300, "rare ones have a chance, too"
    assert found.known == 3000


def test_long_texts_are_cut(spark: SparkSession) -> None:
    rows = [(1, 0, 5, "t" * 500, {"about": "b" * 500})]
    found = map_items(spark.createDataFrame(rows, SCHEMA), None, np.ones(1, bool), most=10, seed=1)

    assert [len(text or "") for text in (*found.titles, *found.attributes["about"])] == [TEXT_SHOWN, TEXT_SHOWN]
