"""The job `vectors`, by real nights on the sample that pyspark ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recsys_spark.vectors import vectors
from tests.visible_nights import Nights

MODELS = {
    "delta": "model={name: dot, embedding_size: 5, biases: true, l2: 0.01}",
    "parquet": "model={name: mlp, embedding_size: 4, layers: [8], l2: 0}",
}


@pytest.mark.parametrize("kind", ["delta", "parquet"])
def test_the_tables_hold_the_numbers_of_the_published_scorer(spark: SparkSession, tmp_path: Path, kind: str) -> None:
    nights = Nights(spark, tmp_path / "output", kind)
    # a file for items that nobody has rated: the model knows nothing of them
    (tmp_path / "items.csv").write_text("id,title\n" + "".join(f"{i},t{i}\n" for i in (1, 2, 500, 501)))
    night = nights.night(MODELS[kind], f"items.path={tmp_path}/items.csv", "items.columns={item: id, title: title}")
    scorer = nights.model(str(night.summary.model_id))["main"]
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
        assert set(rows.model_id) == {night.summary.model_id}
        assert set(rows.run_id) == {asked.run.run_id}
    assert (scorer.item_bias is None) == (kind == "parquet")
    assert asked.summary.counts == {"items_with_vector": 100, "users_with_vector": 30, "rows_published": 130}
    assert sorted(asked.summary.tables) == ["item_vectors", "user_vectors"]
    assert asked.summary.model_id == night.summary.model_id


def test_scores_of_the_lists_come_out_of_the_two_tables(spark: SparkSession, tmp_path: Path) -> None:
    nights = Nights(spark, tmp_path / "output", "parquet")
    night = nights.night("model={name: dot, embedding_size: 5, biases: true, l2: 0.01}")
    vectors(nights.question())

    users = nights.table("user_vectors").set_index("user_id")
    items = nights.table("item_vectors").set_index("item_id")
    scorer = nights.model(str(night.summary.model_id))["main"]

    for row in nights.table("top_n").itertuples():
        dot = users.vector[row.user_id].astype(float) @ items.vector[row.item_id]
        head = dot + users.bias[row.user_id] + items.bias[row.item_id]
        assert head * scorer.scale + scorer.offset == pytest.approx(row.score, abs=1e-5)
