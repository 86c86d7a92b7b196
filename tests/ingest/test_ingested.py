"""What an ingest leaves, read without Spark."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_spark.ingest.features import has_features, read_features
from recsys_spark.ingest.ingested import stored_ids
from recsys_spark.ingest.settings import FeatureColumns
from recsys_spark.storage import Folder

N = 6
"""Indices of the vocabulary; 1 and the last belong to forgotten users."""


@pytest.fixture
def users(tmp_path: Path) -> Folder:
    """Two files, neither in the order of the indices."""
    rows = {4: ("d", False), 2: ("c", True), 0: ("a", True), 3: ("e", True)}
    for number, indices in enumerate(([4, 2], [0, 3])):
        columns = {
            "user_id": [rows[i][0] for i in indices],
            "user_index": pa.array(indices, pa.int32()),
            "eligible": [rows[i][1] for i in indices],
            "title": pa.nulls(2, pa.string()),
            "attributes": pa.array([[("age", str(i))] for i in indices], pa.map_(pa.string(), pa.string())),
        }
        pq.write_table(pa.table(columns), tmp_path / f"part-{number}.parquet")
    return Folder(str(tmp_path))


def test_ids_stand_at_their_indices_and_none_where_a_user_was_forgotten(users: Folder) -> None:
    ids, eligible = stored_ids(users, "user", N)

    assert ids.to_pylist() == ["a", None, "c", "e", "d", None]
    assert eligible.tolist() == [True, False, True, True, False, False]


def test_nothing_is_known_of_an_index_whose_user_was_forgotten(users: Folder) -> None:
    raw = read_features(users, "user", FeatureColumns(numeric=("age",)), N)

    assert raw.n == N
    assert has_features(raw).tolist() == [True, False, True, True, True, False]
