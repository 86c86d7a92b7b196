"""Files become columns in their order, and columns become batches that hold each row once in an epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

from recsys_spark.errors import DataError
from recsys_spark.models.dot import Dot
from recsys_spark.models.settings import DotSettings
from recsys_spark.training import feed
from recsys_spark.training.feed import PARTS, TrainingRows, dataset, read_rows

SCHEMA = pa.schema(
    [
        ("user", pa.int32()),
        ("item", pa.int32()),
        ("rating", pa.float32()),
        ("timestamp", pa.timestamp("us", tz="UTC")),
        ("part", pa.string()),
    ]
)


def rows_of(n: int) -> TrainingRows:
    """Row number i: user i, item 2i, rating i / 2; parts take turns."""
    number = np.arange(n)
    return TrainingRows(
        number.astype(np.int32),
        (2 * number).astype(np.int32),
        (number / 2).astype(np.float32),
        (number % 3).astype(np.uint8),
    )


def write(file: Path, rows: TrainingRows, **changed: Any) -> str:
    values = {
        "user": rows.user,
        "item": rows.item,
        "rating": rows.rating,
        "timestamp": [None] * len(rows),
        "part": [PARTS[code] for code in rows.part],
    }
    columns = {name: pa.array(values[name], SCHEMA.field(name).type) for name in SCHEMA.names} | changed
    pq.write_table(pa.table({name: column for name, column in columns.items() if column is not None}), file)
    return str(file)


def assert_equal(actual: TrainingRows, expected: TrainingRows) -> None:
    for name in ("user", "item", "rating", "part"):
        assert getattr(actual, name).dtype == getattr(expected, name).dtype
        np.testing.assert_array_equal(getattr(actual, name), getattr(expected, name))


class TestReadRows:
    def test_files_are_read_in_the_order_given_whatever_their_names(self, tmp_path: Path) -> None:
        rows = rows_of(10)
        pieces = {"c": slice(0, 4), "a": slice(4, 5), "b": slice(5, 10)}
        files = [
            write(tmp_path / name, TrainingRows(rows.user[s], rows.item[s], rows.rating[s], rows.part[s]))
            for name, s in pieces.items()
        ]
        assert_equal(read_rows(files), rows)

    def test_arrow_batches_follow_each_other_without_a_gap(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(feed, "_ROWS_AT_ONCE", 3)
        assert_equal(
            read_rows([write(tmp_path / "a", rows_of(10)), write(tmp_path / "empty", rows_of(0))]), rows_of(10)
        )

    def test_files_may_lie_on_any_file_system(self, tmp_path: Path) -> None:
        write(tmp_path / "a.parquet", rows_of(5))
        assert_equal(
            read_rows(["a.parquet"], pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem())), rows_of(5)
        )

    def test_a_dictionary_of_parts_is_read_as_text_is(self, tmp_path: Path) -> None:
        parts = pa.array([PARTS[code] for code in rows_of(7).part]).dictionary_encode()
        assert_equal(read_rows([write(tmp_path / "a", rows_of(7), part=parts)]), rows_of(7))

    def test_no_files_are_no_rows(self) -> None:
        assert_equal(read_rows([]), rows_of(0))

    def test_a_missing_column_and_one_of_another_type_are_both_named(self, tmp_path: Path) -> None:
        file = write(tmp_path / "a", rows_of(2), item=None, rating=pa.array([1.0, 2.0], pa.float64()))
        with pytest.raises(DataError, match=r"expected item int32, rating float, found item missing, rating double"):
            read_rows([file])

    def test_a_null_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"column rating: expected a value in each row, found 1 nulls"):
            read_rows([write(tmp_path / "a", rows_of(2), rating=pa.array([1, None], pa.float32()))])

    def test_a_part_of_another_name_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"column part: expected one of train, validation, test, found 'hidden'"):
            read_rows([write(tmp_path / "a", rows_of(2), part=pa.array(["train", "hidden"]))])


class TestSelect:
    def test_parts_keep_their_order(self) -> None:
        chosen = rows_of(7).select("test", "train")
        np.testing.assert_array_equal(chosen.user, [0, 2, 3, 5, 6])
        np.testing.assert_array_equal(chosen.item, [0, 4, 6, 10, 12])

    def test_all_parts_are_the_rows_themselves_not_a_copy(self) -> None:
        rows = rows_of(7)
        assert rows.select(*PARTS) is rows

    def test_thirteen_bytes_hold_a_rating(self) -> None:
        rows = rows_of(100)
        assert sum(column.nbytes for column in vars(rows).values()) == 1300


def users_by_batch(batches: Any) -> list[list[int]]:
    return [pairs["user"].numpy().tolist() for pairs, _ in batches]


class TestDataset:
    def test_columns_stay_together(self) -> None:
        for pairs, target in dataset(rows_of(10), rows_of(10).rating, batch_size=4, shuffle_seed=1):
            assert (pairs["user"].dtype, pairs["item"].dtype, target.dtype) == ("int32", "int32", "float32")
            np.testing.assert_array_equal(pairs["item"], 2 * pairs["user"])
            np.testing.assert_array_equal(target, pairs["user"].numpy()[:, None] / 2)

    def test_each_row_comes_once_in_each_epoch_and_the_last_batch_is_the_rest(self) -> None:
        batches = dataset(rows_of(10), rows_of(10).rating, batch_size=4, shuffle_seed=1)
        for _ in range(3):
            epoch = users_by_batch(batches)
            assert [len(batch) for batch in epoch] == [4, 4, 2]
            assert sorted(user for batch in epoch for user in batch) == list(range(10))

    def test_the_order_depends_on_the_seed_and_the_epoch(self) -> None:
        def epochs(seed: int) -> list[list[list[int]]]:
            batches = dataset(rows_of(50), rows_of(50).rating, batch_size=16, shuffle_seed=seed)
            return [users_by_batch(batches) for _ in range(3)]

        first, second, third = epochs(1)
        assert first != second != third != first
        assert epochs(1) == [first, second, third]
        assert epochs(2)[0] != first

    def test_without_a_seed_the_rows_keep_their_order(self) -> None:
        batches = dataset(rows_of(10), rows_of(10).rating, batch_size=4)
        assert users_by_batch(batches) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]

    @pytest.mark.parametrize("shuffle_seed", [None, 1])
    def test_the_number_of_batches_is_known(self, shuffle_seed: int | None) -> None:
        batches = dataset(rows_of(10), rows_of(10).rating, batch_size=4, shuffle_seed=shuffle_seed)
        assert int(batches.cardinality()) == 3

    def test_keras_takes_each_row_once_in_an_epoch_with_several_steps_in_a_call(self) -> None:
        import tensorflow as tf

        seen: list[int] = []

        def note(users: Any) -> Any:
            seen.extend(users.numpy().tolist())
            return users

        def noted(pairs: Any, target: Any) -> Any:
            users = tf.ensure_shape(tf.py_function(note, [pairs["user"]], tf.int32), [None])
            return {"user": users, "item": pairs["item"]}, target

        network = Dot(DotSettings(embedding_size=1)).build(n_users=30, n_items=60)
        network.compile(optimizer="sgd", loss="mse", steps_per_execution=4)
        batches = dataset(rows_of(30), rows_of(30).rating, batch_size=5, shuffle_seed=1).map(noted)
        network.fit(batches, epochs=3, shuffle=False, verbose=0)
        assert [sorted(seen[start : start + 30]) for start in (0, 30, 60)] == [list(range(30))] * 3
        assert len(seen) == 90
