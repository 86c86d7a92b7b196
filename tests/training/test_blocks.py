"""Blocks on disk hold each row once; with a seed, at random."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys_spark.kernels.arrays import F32, I32
from recsys_spark.training.blocks import read_block, write_blocks
from recsys_spark.training.rows import TrainingRows


def rows_of(n: int) -> TrainingRows:
    """Row number i: user i, item 2i, rating i / 2."""
    number = np.arange(n)
    return TrainingRows(
        number.astype(np.int32), (2 * number).astype(np.int32), (number / 2).astype(np.float32), np.zeros(n, np.uint8)
    )


def doubled(ratings: F32) -> F32:
    return 2 * ratings


def written(n: int, folder: Path, *, block_rows: int, seed: int | None = None) -> list[I32]:
    """The blocks, as TensorFlow reads them."""
    files = write_blocks(rows_of(n), doubled, folder, block_rows=block_rows, seed=seed)
    return [read_block(file).numpy() for file in files]


@given(n=st.integers(0, 200), block_rows=st.integers(1, 80), seed=st.none() | st.integers(-(2**31), 2**31))
def test_each_row_is_in_one_block_with_its_item_and_target(n: int, block_rows: int, seed: int | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        blocks = written(n, Path(folder), block_rows=block_rows, seed=seed)
    assert len(blocks) == max(1, -(-n // block_rows))
    records = np.concatenate(blocks)
    assert sorted(records[:, 0].tolist()) == list(range(n))
    np.testing.assert_array_equal(records[:, 1], 2 * records[:, 0])
    np.testing.assert_array_equal(np.ascontiguousarray(records[:, 2]).view(np.float32), records[:, 0])


def test_without_a_seed_blocks_are_the_rows_in_their_order(tmp_path: Path) -> None:
    blocks = written(10, tmp_path, block_rows=4)
    assert [block[:, 0].tolist() for block in blocks] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_with_a_seed_each_block_is_a_sample_of_all_rows(tmp_path: Path) -> None:
    for block in written(20_000, tmp_path, block_rows=2_000, seed=1):
        assert abs(len(block) - 2_000) < 250, "six standard deviations of a fair draw"
        assert abs(block[:, 0].mean() - 10_000) < 800, "six standard errors"


def test_the_seed_decides_which_rows_a_block_has(tmp_path: Path) -> None:
    def first_block(name: str, seed: int) -> list[int]:
        (tmp_path / name).mkdir()
        rows: list[int] = written(1_000, tmp_path / name, block_rows=100, seed=seed)[0][:, 0].tolist()
        return rows

    assert first_block("a", 1) == first_block("b", 1) != first_block("c", 2)
