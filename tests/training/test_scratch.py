"""Room is asked for before anything is written, and nothing stays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from recsys_spark.errors import DataError
from recsys_spark.training.scratch import fresh_folder, scratch_folder


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


HOLDER = """
import sys
from pathlib import Path
from recsys_spark.training.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1]), "fit-") as folder:
    (folder / "rows").write_text("many")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_a_folder_goes_at_the_end_and_those_of_the_dead_at_the_next_start(tmp_path: Path) -> None:
    with _holder(tmp_path) as killed, _holder(tmp_path) as living:
        left, held = (_folder_of(process) for process in (killed, living))
        killed.kill()
        killed.wait()
        strange = tmp_path / "fit-of-another-kind"
        strange.mkdir()

        with scratch_folder(tmp_path, "fit-") as mine:
            assert set(tmp_path.iterdir()) == {held, strange, mine}
            assert (held / "rows").read_text() == "many"

    assert not left.exists()
    # the living one was told to end
    assert set(tmp_path.iterdir()) == {strange}


def _holder(parent: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(parent)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _folder_of(process: subprocess.Popen[str]) -> Path:
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())
