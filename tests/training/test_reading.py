"""Files become columns in their order, in memory or on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

from recsys_spark.errors import DataError
from recsys_spark.training import reading
from recsys_spark.training.reading import count_rows, read_rows
from recsys_spark.training.rows import PARTS, TrainingRows
from tests.training.numbered import rows_of

SCHEMA = pa.schema(
    [
        ("user", pa.int32()),
        ("item", pa.int32()),
        ("rating", pa.float32()),
        ("timestamp", pa.timestamp("us", tz="UTC")),
        ("part", pa.string()),
    ]
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
        monkeypatch.setattr(reading, "_ROWS_AT_ONCE", 3)
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
        refused = r"column part: expected one of train, validation, test, gap, .*, found 'hidden'"
        with pytest.raises(DataError, match=refused):
            read_rows([write(tmp_path / "a", rows_of(2), part=pa.array(["train", "hidden"]))])

    @pytest.mark.parametrize("n", [0, 10])
    def test_columns_on_disk_are_the_same_columns(self, tmp_path: Path, n: int) -> None:
        files = [write(tmp_path / "a", rows_of(n)), write(tmp_path / "b", rows_of(3))]
        rows = read_rows(files, scratch=tmp_path / "scratch")
        assert_equal(rows, read_rows(files))
        assert all(isinstance(column, np.memmap) for column in (rows.user, rows.item, rows.rating, rows.part))
        assert rows.folder is not None
        assert rows.folder.parent == tmp_path / "scratch"

    def test_a_scratch_folder_holds_rows_of_several_readings(self, tmp_path: Path) -> None:
        file, other = write(tmp_path / "a", rows_of(4)), write(tmp_path / "b", rows_of(9))
        first, second = read_rows([file], scratch=tmp_path), read_rows([other], scratch=tmp_path)
        assert_equal(first, rows_of(4))
        assert_equal(second, rows_of(9))


class TestCountRows:
    def test_footers_tell_the_number_of_rows(self, tmp_path: Path) -> None:
        assert count_rows([write(tmp_path / "a", rows_of(10)), write(tmp_path / "b", rows_of(3))]) == 13

    def test_files_of_another_kind_are_refused_before_they_are_read(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"expected item int32, found item missing"):
            count_rows([write(tmp_path / "a", rows_of(2), item=None)])
