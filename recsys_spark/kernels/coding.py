"""Numbers as codes of 8 bits, laid out as `tile` reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recsys_spark.kernels.arrays import I32

Bytes = npt.NDArray[np.uint8]

CODES_IN_A_WORD = 4


def empty_words(blocks: int, columns: int, size: int, fill: int) -> tuple[Bytes, I32]:
    """Codes of `columns` numbers for blocks of `size` rows.

    Args:
        blocks: blocks of rows.
        columns: numbers of a row; up to three are added, with the code `fill`.
        size: rows in a block.
        fill: the code everywhere, at first.

    Returns:
        u8[blocks, n_words, size, 4]: number j of row r of a block is [block, j // 4, r, j % 4]; and the same memory as
        i32[blocks, n_words, size].
    """
    n_words = max(1, -(-columns // CODES_IN_A_WORD))
    codes = np.full((blocks, n_words, size, CODES_IN_A_WORD), fill, np.uint8)
    words: Any = codes.view(np.int32)[..., 0]
    return codes, words
