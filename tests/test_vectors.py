"""The job `vectors`, by real nights on the sample that pyspark ships."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recsys_spark.vectors import vectors
from tests.visible_nights import Nights

MODELS = {
    "delta": "model={name: dot, embedding_size: 5, biases: true, l2: 0.01}",
    "parquet": "model={name: mlp, embedding_size: 4, layers: [8], l2: 0}",
}


@pytest.fixture(scope="module", params=MODELS)
def nights(request: pytest.FixtureRequest, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """One night, of a source that also knows items that nobody has rated: the model knows nothing of them."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "items.csv").write_text("id,title\n" + "".join(f"{i},t{i}\n" for i in (1, 2, 500, 501)))
    nights = Nights(spark, folder / "output", request.param)
    nights.night(MODELS[request.param], f"items.path={folder}/items.csv", "items.columns={item: id, title: title}")
    return nights


def test_the_tables_hold_the_numbers_of_the_published_scorer(nights: Nights) -> None:
    (model_id,) = set(nights.table("top_n").model_id)
    scorer = nights.model(model_id)["main"]
    asked = nights.question()

    vectors(asked)

    for side, table, bias, n in (
        ("item", scorer.item, scorer.item_bias, 100),
        ("user", scorer.user, scorer.user_bias, 30),
    ):
        rows = nights.table(f"{side}_vectors").sort_values(f"{side}_id", ignore_index=True)
        index = nights.table(f"{side}s").set_index(f"{side}_id")[f"{side}_index"].loc[rows[f"{side}_id"]]
        assert list(rows[f"{side}_id"]) == list(range(n))
        np.testing.assert_array_equal(np.stack(rows.vector.to_list()), table[index])
        if bias is None:
            assert rows.bias.isna().all()
        else:
            np.testing.assert_array_equal(rows.bias, bias[index])
        assert (set(rows.model_id), set(rows.run_id)) == ({model_id}, {asked.run.run_id})
    assert scorer.n_items == 102
    assert scorer.is_dot == (scorer.item_bias is not None) == (nights.format == "delta")
    assert asked.summary.counts == {"items_with_vector": 100, "users_with_vector": 30, "rows_published": 130}
    assert sorted(asked.summary.tables) == ["item_vectors", "user_vectors"]
    assert asked.summary.model_id == model_id


@pytest.mark.parametrize("nights", ["delta"], indirect=True)
def test_scores_of_the_lists_of_a_dot_product_come_out_of_the_two_tables(nights: Nights) -> None:
    vectors(nights.question())
    users = nights.table("user_vectors").set_index("user_id")
    items = nights.table("item_vectors").set_index("item_id")
    lists = nights.table("top_n")
    scorer = nights.model(lists.model_id[0])["main"]
    assert len(lists) == 300
    for row in lists.itertuples():
        dot = users.vector[row.user_id].astype(float) @ items.vector[row.item_id]
        head = dot + users.bias[row.user_id] + items.bias[row.item_id]
        assert head * scorer.scale + scorer.offset == pytest.approx(row.score, abs=1e-5)
