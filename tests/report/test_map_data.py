"""Columns by what can be done with them."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from recsys_spark.report.layouts import Layout
from recsys_spark.report.map_data import MOST_CATEGORIES, column_of, map_data
from recsys_spark.report.map_items import MapItems
from recsys_spark.report.neighbours import neighbours


def test_many_different_numbers_are_numbers() -> None:
    found = column_of([str(year) for year in range(1990, 2000)] + [None, " "])

    assert found["kind"] == "number"
    assert found["values"] == [*map(float, range(1990, 2000)), None, None]


def test_few_different_values_are_categories_numbers_too() -> None:
    found = column_of(["2", "1", "2", None])

    assert found == {"kind": "category", "names": ["2", "1"], "codes": [0, 1, 0, -1], "values": ["2", "1", "2", None]}


def test_rare_values_are_others() -> None:
    values = [f"genre {n}" for n in range(MOST_CATEGORIES) for _ in range(5)] + ["rare", "rarer"]
    found = column_of(values)

    assert found["names"][-1] == "others"
    assert found["codes"][-2:] == [MOST_CATEGORIES, MOST_CATEGORIES]
    assert len(found["names"]) == MOST_CATEGORIES + 1


@pytest.mark.parametrize("values", [[f"author {n}" for n in range(40)], [None, None], [], ["nan", "1", "2"]])
def test_what_differs_nearly_always_is_text(values: list[str | None]) -> None:
    assert column_of(values)["kind"] == "text"


def test_a_map_is_plain_json_and_its_numbers_can_be_unpacked() -> None:
    vectors = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    items = MapItems(
        [1, 2, 3, 4, 5],
        np.arange(5, dtype=np.int32),
        [None, "a", "b", "c", "d"],
        [1] * 5,
        [None, 3.14159, 2.0, 1.0, 5.0],
        {},
        9,
    )
    alike = neighbours(vectors)
    found = json.loads(
        json.dumps(map_data(items, [Layout("pca", None, True, vectors[:, :2])], alike, measure="cosine"))
    )

    assert found["means"][:2] == [None, 3.142]
    assert found["maps"][0]["name"] == "PCA, normalised"
    assert max(map(abs, found["maps"][0]["x"] + found["maps"][0]["y"])) == 1
    unpacked = np.frombuffer(base64.b64decode(found["nearest"]), "<i4").reshape(5, 4)
    assert unpacked.tolist() == alike.nearest.tolist()
