"""Ids and indices, both ways, and ids that are near."""

from __future__ import annotations

from random import Random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_spark.errors import DataError, NotFoundError
from recsys_spark.indices import Indices
from recsys_spark.nearest import nearest


@given(st.lists(st.text(), unique=True, min_size=1), st.randoms())
def test_ids_come_back_from_their_indices_in_any_order(ids: list[str], random: Random) -> None:
    order = list(range(len(ids)))
    random.shuffle(order)
    rows = pa.table({"item_id": pa.array(ids, pa.string()), "item_index": pa.array(order, pa.int32())})
    indices = Indices.of_table("item", rows)

    assert indices.of(ids).tolist() == order
    assert indices.of(ids).dtype == np.int32
    assert indices.ids(np.array(order[::-1], np.int32)) == ids[::-1]


def test_what_is_no_id_is_told() -> None:
    indices = Indices("user", pa.array([5, 7], pa.int64()), np.array([1, 0], np.int32))

    with pytest.raises(NotFoundError, match=r"user 8: .*\n  the nearest are: 7, 5"):
        indices.of([7, 8])
    with pytest.raises(DataError, match="users: expected ids of type int64"):
        indices.of(["7"])


def test_numbers_are_near_by_distance_and_text_by_how_it_is_written() -> None:
    assert nearest(10, [1, 9, 12, 300], 2) == [9, 12]
    assert nearest("anna", ["bob", "ann", "hannah"]) == ["ann", "hannah"]
    assert nearest("x", []) == []
