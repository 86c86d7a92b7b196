"""Bits say which candidates a user may not get, whether they are kept or made for each call."""

from __future__ import annotations

import numpy as np
import pytest

from recsys_spark.kernels.arrays import read_only
from recsys_spark.kernels.segments import ClosedBits, Segments, is_closed

PLACE = np.array([3, -1, 0, 70, 1], np.int32)
"""Of five items, the second of which is no candidate."""

SEGMENTS = Segments(np.array([0, 2, 2, 5], np.int64), np.array([0, 1, 3, 2, 99], np.int32))


@pytest.mark.parametrize("kept", [1 << 20, 0])
def test_a_user_may_have_the_items_of_the_segment_and_no_others(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recsys_spark.kernels.segments._KEPT", kept)

    closed = ClosedBits(SEGMENTS, PLACE, 71).of(read_only(np.array([2, -1, 0, 1, 2], np.int32)))

    open_places = [[place for place in range(71) if not is_closed(closed, row, place)] for row in range(5)]
    assert open_places == [[0, 70], list(range(71)), [3], [], [0, 70]]
