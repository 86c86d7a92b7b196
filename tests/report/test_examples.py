"""Example users: drawn by their ids, with the best of what they have rated."""

from __future__ import annotations

import pytest
from pyspark.sql import DataFrame, SparkSession

from recsys_spark.report.examples import HISTORY_SHOWN, example_users


@pytest.fixture(scope="module")
def tables(spark: SparkSession) -> dict[str, DataFrame]:
    outcomes = [(user, "ok", 2, "model") for user in range(20)] + [(99, "ok", 0, "nothing_left")]
    lists = [(user, rank, 100 + rank, float(10 - rank), None) for user in range(20) for rank in (1, 2)]
    lists += [(user, 1, 777, 1.0, "books") for user in range(20)]
    ratings = [(user, item, float(item % 5), None) for user in range(20) for item in range(15)]
    return {
        "outcomes": spark.createDataFrame(outcomes, "user_id long, outcome string, n_items int, reason string"),
        "top_n": spark.createDataFrame(lists, "user_id long, rank int, item_id long, score float, variant string"),
        "ratings": spark.createDataFrame(ratings, "user_id long, item_id long, rating float, timestamp timestamp"),
        "items": spark.createDataFrame([(101, "The first"), (4, "Rated <well>")], "item_id long, title string"),
    }


def test_a_user_is_shown_with_titles_the_best_ratings_and_the_list_of_everything(tables: dict[str, DataFrame]) -> None:
    found = example_users(**tables, users=3, seed=1)

    assert len(found) == 3
    for user in found:
        assert [entry.item for entry in user.top_n] == ["101", "102"]
        assert [entry.title for entry in user.top_n] == ["The first", None]
        assert user.n_ratings == 15
        assert len(user.history) == HISTORY_SHOWN
        assert user.history[0] == ("4", "Rated <well>", 4.0)
        assert [entry.value for entry in user.history] == [4, 4, 4, 3, 3, 3, 2, 2, 2, 1, 1, 1]


def test_the_same_seed_shows_the_same_users_in_any_partitioning(tables: dict[str, DataFrame]) -> None:
    first = example_users(**tables, users=4, seed=1)
    shuffled = tables | {"outcomes": tables["outcomes"].repartition(5)}

    assert [user.user for user in example_users(**shuffled, users=4, seed=1)] == [user.user for user in first]
    others = [user.user for user in example_users(**tables, users=4, seed=2)]
    assert others != [user.user for user in first]


def test_without_ratings_and_items_there_are_ids_and_lists(tables: dict[str, DataFrame]) -> None:
    (found,) = example_users(tables["outcomes"], tables["top_n"], None, None, users=1, seed=1)

    assert (found.history, found.n_ratings) == ((), 0)
    assert [(entry.item, entry.title) for entry in found.top_n] == [("101", None), ("102", None)]


def test_a_run_without_lists_has_no_example(tables: dict[str, DataFrame]) -> None:
    empty = tables | {"outcomes": tables["outcomes"].where("n_items = 0")}

    assert example_users(**empty, users=3, seed=1) == []
