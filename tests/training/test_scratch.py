"""Room is asked for before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys_spark.errors import DataError
from recsys_spark.training.scratch import fresh_folder


def test_more_bytes_than_the_disk_has_are_refused_with_the_settings_that_help(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected room for 1,099,511,627,776 MiB, found [\d,]+ MiB free") as refused:
        fresh_folder(tmp_path, "rows-", n_bytes=1 << 60)
    assert "training.scratch" in refused.value.hint
    assert not list(tmp_path.iterdir())


def test_each_folder_is_a_new_one_in_a_parent_that_need_not_exist(tmp_path: Path) -> None:
    first, second = (fresh_folder(tmp_path / "deep" / "er", "rows-", n_bytes=1) for _ in range(2))
    assert first != second
    assert {first.parent, second.parent} == {tmp_path / "deep" / "er"}
    assert not list(first.iterdir())
