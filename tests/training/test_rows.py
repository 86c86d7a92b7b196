"""Rows of some parts, in memory and on disk: the same rows, and on disk they stay there."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_spark.training import rows as rows_module
from recsys_spark.training.rows import PARTS, Part, TrainingRows, gathered
from tests.training.numbered import rows_of


def on_disk(rows: TrainingRows, scratch: Path) -> TrainingRows:
    return gathered(rows.chunks(3), len(rows), scratch=scratch)


def assert_equal(actual: TrainingRows, expected: TrainingRows) -> None:
    for name in ("user", "item", "rating", "part"):
        assert getattr(actual, name).dtype == getattr(expected, name).dtype
        np.testing.assert_array_equal(getattr(actual, name), getattr(expected, name))


class TestSelect:
    def test_parts_keep_their_order(self) -> None:
        chosen = rows_of(7).select("test", "train")
        np.testing.assert_array_equal(chosen.user, [0, 2, 3, 5, 6])
        np.testing.assert_array_equal(chosen.item, [0, 4, 6, 10, 12])

    def test_all_parts_are_the_rows_themselves_not_a_copy(self) -> None:
        rows = rows_of(7)
        assert rows.select(*PARTS) is rows

    @settings(deadline=None)
    @given(
        codes=st.lists(st.integers(0, 2), max_size=30),
        parts=st.lists(st.sampled_from(PARTS), unique=True),
        chunk=st.integers(1, 8),
    )
    def test_rows_on_disk_give_the_rows_that_rows_in_memory_give(
        self, codes: list[int], parts: list[Part], chunk: int
    ) -> None:
        several = rows_of(len(codes))
        rows = TrainingRows(several.user, several.item, several.rating, np.array(codes, np.uint8))
        with tempfile.TemporaryDirectory() as scratch, pytest.MonkeyPatch.context() as patch:
            patch.setattr(TrainingRows.chunks, "__defaults__", (chunk,))
            assert_equal(on_disk(rows, Path(scratch)).select(*parts), rows.select(*parts))

    def test_rows_selected_on_disk_stay_there_also_when_selected_again(self, tmp_path: Path) -> None:
        rows = on_disk(rows_of(20), tmp_path)
        held_in = rows.select("train", "validation")
        for chosen in (held_in, held_in.select("validation")):
            assert isinstance(chosen.rating, np.memmap)
            assert chosen.folder is not None
            assert chosen.folder.is_relative_to(tmp_path)
        assert_equal(held_in.select("validation"), rows.select("validation"))

    def test_the_same_parts_are_written_once(self, tmp_path: Path) -> None:
        rows = on_disk(rows_of(20), tmp_path)
        first, second = rows.select("train", "test"), rows.select("test", "train")
        assert first.folder == second.folder
        assert [entry.name for entry in tmp_path.glob("rows-*/*/")] == ["train-test"]

    def test_a_selection_that_was_not_finished_is_made_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows = on_disk(rows_of(20), tmp_path)

        def disk_full(*_: object) -> None:
            raise OSError("no space left")

        with monkeypatch.context() as patch:
            patch.setattr(rows_module, "_write", disk_full)
            with pytest.raises(OSError, match="no space left"):
                rows.select("train")
        assert_equal(rows.select("train"), rows_of(20).select("train"))


def test_thirteen_bytes_hold_a_rating() -> None:
    rows = rows_of(100)
    assert sum(column.nbytes for column in (rows.user, rows.item, rows.rating, rows.part)) == 1300


@pytest.mark.parametrize("n", [0, 1, 6, 7])
def test_chunks_are_all_rows_in_their_order(n: int) -> None:
    chunks = list(rows_of(n).chunks(3))
    assert all(len(chunk) == 3 for chunk in chunks[:-1])
    assert [user for chunk in chunks for user in chunk.user] == list(range(n))


def test_columns_on_disk_cannot_be_changed_by_mistake(tmp_path: Path) -> None:
    rows = on_disk(rows_of(5), tmp_path)
    with pytest.raises(ValueError, match="read-only"):
        rows.user[0] = 1
