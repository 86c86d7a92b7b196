"""Shards on disk hold each row once; with a seed, all rows lie in random order."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_spark.kernels.arrays import F32, I32
from recsys_spark.training import blocks as blocks_module
from recsys_spark.training.blocks import blocks_of, write_shards
from recsys_spark.training.records import FIELDS, RECORD
from recsys_spark.training.rows import TrainingRows


def rows_of(n: int) -> TrainingRows:
    """Row number i: user i, item 2i, rating i / 2."""
    number = np.arange(n)
    return TrainingRows(
        number.astype(np.int32), (2 * number).astype(np.int32), (number / 2).astype(np.float32), np.zeros(n, np.uint8)
    )


def doubled(ratings: F32) -> F32:
    return 2 * ratings


def shards_of(
    n: int, folder: Path, *, block_rows: int, shard_rows: int | None = None, seed: int | None = None
) -> list[I32]:
    """What the files hold."""
    files = write_shards(rows_of(n), doubled, folder, block_rows=block_rows, shard_rows=shard_rows, seed=seed)
    assert sorted(str(file) for file in folder.iterdir()) == sorted(files)
    return [np.fromfile(file, RECORD).reshape(-1, FIELDS) for file in files]


class TestWriteShards:
    @settings(deadline=None)
    @given(
        n=st.integers(0, 200),
        block_rows=st.integers(1, 80),
        shard_rows=st.none() | st.integers(1, 80),
        seed=st.none() | st.integers(-(2**31), 2**31),
    )
    def test_each_row_is_in_one_shard_with_its_item_and_target(
        self, n: int, block_rows: int, shard_rows: int | None, seed: int | None
    ) -> None:
        with tempfile.TemporaryDirectory() as folder:
            shards = shards_of(n, Path(folder), block_rows=block_rows, shard_rows=shard_rows, seed=seed)
        assert all(0 < len(shard) <= (shard_rows or 200) for shard in shards)
        records = np.concatenate([np.empty((0, FIELDS), RECORD), *shards])
        assert sorted(records[:, 0].tolist()) == list(range(n))
        np.testing.assert_array_equal(records[:, 1], 2 * records[:, 0])
        np.testing.assert_array_equal(np.ascontiguousarray(records[:, 2]).view(np.float32), records[:, 0])

    def test_without_a_seed_the_rows_keep_their_order(self, tmp_path: Path) -> None:
        shards = shards_of(10, tmp_path, block_rows=8, shard_rows=4)
        assert [shard[:, 0].tolist() for shard in shards] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]

    def test_with_a_seed_each_shard_is_a_sample_of_all_rows(self, tmp_path: Path) -> None:
        shards = shards_of(20_000, tmp_path, block_rows=5_000, shard_rows=500, seed=1)
        means = [shard[:, 0].mean() for shard in shards if len(shard) == 500]
        assert len(means) >= 36
        assert max(abs(mean - 10_000) for mean in means) < 1_300, "five standard errors"

    def test_rows_that_lie_together_go_apart(self, tmp_path: Path) -> None:
        order = np.concatenate(shards_of(20_000, tmp_path, block_rows=5_000, shard_rows=500, seed=1))[:, 0]
        assert abs(np.corrcoef(order, np.arange(20_000))[0, 1]) < 0.05, "seven standard errors"
        assert abs(np.corrcoef(order[1:], order[:-1])[0, 1]) < 0.05

    def test_the_seed_decides_on_the_order(self, tmp_path: Path) -> None:
        def order(name: str, seed: int) -> list[int]:
            (tmp_path / name).mkdir()
            shards = shards_of(1_000, tmp_path / name, block_rows=300, shard_rows=100, seed=seed)
            rows: list[int] = np.concatenate(shards)[:, 0].tolist()
            return rows

        assert order("a", 1) == order("b", 1) != order("c", 2)

    @settings(deadline=None)
    @given(n=st.integers(1, 3_000))
    def test_there_are_so_many_shards_or_fewer_of_a_least_size(self, n: int) -> None:
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            patch.setattr(blocks_module, "_SHARDS", 10)
            patch.setattr(blocks_module, "_LEAST_SHARD_ROWS", 100)
            shards = shards_of(n, Path(folder), block_rows=10_000, seed=1)
        assert len(shards) <= 10
        assert all(len(shard) >= 100 for shard in shards[:-1])


def test_shards_are_put_together_to_blocks_in_the_order_given(tmp_path: Path) -> None:
    files = write_shards(rows_of(20), doubled, tmp_path, block_rows=20, shard_rows=3)
    blocks = [block[:, 0].tolist() for block in blocks_of([files[5], files[0], files[6]], 4).as_numpy_iterator()]
    assert blocks == [[15, 16, 17, 0], [1, 2, 18, 19]]
