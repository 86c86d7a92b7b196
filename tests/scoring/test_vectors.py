"""Vectors of a side as rows: the very numbers of the arrays, of those whom the model knows."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recsys_spark.scoring import shipping, vectors
from recsys_spark.scoring.vectors import SideVectors, vector_rows

N = 50
KNOWN = np.arange(N) % 3 != 1
TABLE = np.random.default_rng(5).normal(size=(N, 4)).astype(np.float32)


@pytest.mark.parametrize("bias", [None, np.linspace(-1, 1, N, dtype=np.float32)], ids=["no bias", "bias"])
@pytest.mark.parametrize("mapped", [False, True])
def test_each_row_has_the_numbers_of_its_index(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, bias: np.ndarray | None, mapped: bool
) -> None:
    if mapped:
        monkeypatch.setattr(shipping, "LEAST_IN_A_FILE", 1)
    monkeypatch.setattr(vectors, "_NUMBERS_AT_ONCE", 12)
    # an id says nothing of its index, and not every index has an id
    rows = [(f"u{7 * index}", index) for index in range(N) if index != 6]
    ids = spark.createDataFrame(rows, "user_id string, user_index int").repartition(3)

    found = vector_rows(ids, SideVectors(TABLE, bias, KNOWN))

    assert found.dtypes == [("user_id", "string"), ("vector", "array<float>"), ("bias", "float")]
    by_index = {int(row["user_id"][1:]) // 7: (row["vector"], row["bias"]) for row in found.collect()}
    assert by_index == {
        index: (TABLE[index].tolist(), None if bias is None else float(bias[index]))
        for index in range(N)
        if KNOWN[index] and index != 6
    }


def test_a_model_of_biases_alone_gives_empty_vectors(spark: SparkSession) -> None:
    ids = spark.createDataFrame([(10, 0), (11, 1)], "item_id long, item_index int")
    empty = SideVectors(np.empty((2, 0), np.float32), np.ones(2, np.float32), np.ones(2, np.bool_))

    assert sorted(map(tuple, vector_rows(ids, empty).collect())) == [(10, [], 1.0), (11, [], 1.0)]
