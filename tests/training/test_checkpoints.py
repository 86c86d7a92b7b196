"""A state is believed only if it is whole and belongs to the very same fit; keeping states costs little."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_spark.storage import Folder
from recsys_spark.training import checkpoints
from recsys_spark.training.checkpoints import Checkpoints, FitState, KeptFit, fit_key
from recsys_spark.training.epochs import EpochResult
from recsys_spark.training.fit import load_keras
from recsys_spark.training.rows import TrainingRows

HISTORY = (EpochResult("validated", 1, 0.1 + 0.2, 1 / 3, 1e6, learning_rate=0.005),)
ARRAYS: dict[str, Any] = {
    "network/0000": np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4),
    "optimizer/0000": np.array(7, np.int64),
    "network/0001": np.array([3, 4], np.uint32),
}


def state(epoch: int = 1, *, over: bool = False) -> FitState:
    return FitState(epoch, over, ARRAYS, HISTORY, {"stopping": {"best": 1 / 3, "wait": 1}})


def kept_in(folder: Path, *, fit: str = "validated", key: str = "a", seconds: float | None = 0) -> KeptFit:
    return Checkpoints(Folder(str(folder)), seconds).of(fit, key)


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


class TestWhatIsKept:
    def test_it_comes_back_to_the_bit(self, tmp_path: Path) -> None:
        kept_in(tmp_path).keep(state())
        found = kept_in(tmp_path).last()
        assert found is not None
        assert (found.epoch, found.over, found.history, found.values) == (1, False, HISTORY, state().values)
        assert found.arrays.keys() == ARRAYS.keys()
        for name, array in ARRAYS.items():
            assert (found.arrays[name].dtype, found.arrays[name].shape) == (array.dtype, array.shape)
            np.testing.assert_array_equal(found.arrays[name], array)

    def test_the_last_state_alone_counts_and_lies_there(self, tmp_path: Path) -> None:
        for epoch in (1, 2, 3):
            kept_in(tmp_path).keep(state(epoch))
        kept_in(tmp_path, fit="evaluated").keep(state(over=True))
        found = kept_in(tmp_path).last()
        assert found is not None
        assert found.epoch == 3
        assert files(tmp_path) == [
            "evaluated-000001-over.npz",
            "evaluated.json",
            "validated-000003.npz",
            "validated.json",
        ]

    def test_it_is_told_and_noted_how_much_is_not_run_again(self, tmp_path: Path) -> None:
        kept_in(tmp_path).keep(state(4))
        told: list[str] = []
        later = Checkpoints(Folder(str(tmp_path)), 0, told.append)
        assert later.of("evaluated", "a").last() is None
        assert told == []
        later.of("validated", "a").last()
        assert told == ["validated fit goes on from its last checkpoint: 4 epochs are not run again"]
        assert later.resumed == {"validated": 4}

    def test_without_seconds_nothing_is_kept_and_none_is_due(self, tmp_path: Path) -> None:
        kept_in(tmp_path).keep(state())
        before = (tmp_path / "validated.json").read_text()
        nowhere = kept_in(tmp_path, seconds=None)
        nowhere.keep(state(2))
        assert nowhere.last() is None
        assert not nowhere.is_due()
        assert (tmp_path / "validated.json").read_text() == before

    def test_a_disk_that_is_full_ends_no_fit(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*given: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(KeptFit, "_write", full)
        told: list[str] = []
        Checkpoints(Folder(str(tmp_path)), 0, told.append).of("validated", "a").keep(state())
        assert told == ["validated fit: its state could not be kept: [Errno 28] No space left on device"]


class TestWhatIsNotBelieved:
    def test_a_state_of_another_key(self, tmp_path: Path) -> None:
        kept_in(tmp_path, key="a").keep(state())
        assert kept_in(tmp_path, key="b").last() is None

    @settings(deadline=None, max_examples=30)
    @given(name=st.sampled_from(["validated.json", "validated-000001.npz"]), share=st.floats(0, 1, exclude_max=True))
    def test_a_file_that_is_cut_short_anywhere(self, name: str, share: float) -> None:
        with tempfile.TemporaryDirectory() as folder:
            kept_in(Path(folder)).keep(state())
            file = Path(folder) / name
            content = file.read_bytes()
            file.write_bytes(content[: int(len(content) * share)])
            assert kept_in(Path(folder)).last() is None

    @settings(deadline=None, max_examples=30)
    @given(share=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
    def test_arrays_of_which_a_byte_has_changed(self, share: float, change: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            kept_in(Path(folder)).keep(state())
            file = Path(folder) / "validated-000001.npz"
            content = bytearray(file.read_bytes())
            content[int(len(content) * share)] ^= change
            file.write_bytes(content)
            assert kept_in(Path(folder)).last() is None

    def test_a_record_whose_arrays_are_missing(self, tmp_path: Path) -> None:
        kept_in(tmp_path).keep(state())
        (tmp_path / "validated-000001.npz").unlink()
        assert kept_in(tmp_path).last() is None

    def test_arrays_without_their_record(self, tmp_path: Path) -> None:
        kept_in(tmp_path).keep(state())
        (tmp_path / "validated.json").unlink()
        assert kept_in(tmp_path).last() is None

    @pytest.mark.parametrize("record", ["[]", "null", "{}", '{"key": "a"}', '"a"', "\xff"])
    def test_a_record_of_another_kind(self, tmp_path: Path, record: str) -> None:
        kept_in(tmp_path).keep(state())
        (tmp_path / "validated.json").write_bytes(record.encode("latin-1"))
        assert kept_in(tmp_path).last() is None

    def test_what_a_job_killed_while_writing_leaves_is_replaced_by_the_next_state(self, tmp_path: Path) -> None:
        kept_in(tmp_path).keep(state(1))
        (tmp_path / "validated-000002.npz").write_bytes(b"half")
        found = kept_in(tmp_path).last()
        assert found is not None
        assert found.epoch == 1
        kept_in(tmp_path).keep(state(3))
        assert files(tmp_path) == ["validated-000003.npz", "validated.json"]


class TestHowOften:
    @pytest.fixture
    def now(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """The time, in its one element."""
        time_is = [100.0]
        monkeypatch.setattr(time, "monotonic", lambda: time_is[0])
        return time_is

    def test_not_before_so_many_seconds(self, tmp_path: Path, now: list[float]) -> None:
        kept = kept_in(tmp_path, seconds=30)
        assert not kept.is_due()
        now[0] += 30
        assert kept.is_due()
        kept.keep(state())
        assert not kept.is_due()

    def test_keeping_takes_a_twentieth_of_the_time_at_most(
        self, tmp_path: Path, now: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = KeptFit._write

        def slowly(*given: Any) -> None:
            write(*given)
            now[0] += 10

        monkeypatch.setattr(KeptFit, "_write", slowly)
        kept = kept_in(tmp_path, seconds=30)
        kept.keep(state())
        now[0] += 189
        assert not kept.is_due()
        now[0] += 1
        assert kept.is_due()

    def test_with_0_after_each_epoch(self, tmp_path: Path) -> None:
        kept = kept_in(tmp_path, seconds=0)
        for epoch in (1, 2):
            assert kept.is_due()
            kept.keep(state(epoch))


class TestKey:
    ROWS = TrainingRows(*(np.arange(4, dtype=dtype) for dtype in ("i4", "i4", "f4", "u1")))

    def key(self, **changed: Any) -> str:
        load_keras()
        given = {"values": {"epochs": 3}, "rows": (self.ROWS, None), "arrays": ({"w": np.zeros(3, np.float32)}, {})}
        return fit_key(**{**given, **changed})

    @pytest.mark.parametrize("column", ["user", "item", "rating"])
    def test_it_depends_on_every_number_of_the_rows(self, column: str) -> None:
        columns = {name: getattr(self.ROWS, name).copy() for name in ("user", "item", "rating", "part")}
        columns[column][2] += 1
        assert self.key(rows=(TrainingRows(**columns), None)) != self.key()

    @pytest.mark.parametrize(
        "changed",
        [
            {"values": {"epochs": 4}},
            {"rows": (ROWS, ROWS)},
            {"arrays": ({"w": np.ones(3, np.float32)}, {})},
            {"arrays": ({"v": np.zeros(3, np.float32)}, {})},
        ],
        ids=["values", "validation rows", "arrays", "their names"],
    )
    def test_it_depends_on_everything_else(self, changed: dict[str, Any]) -> None:
        assert self.key(**changed) != self.key() == self.key()

    def test_another_version_of_the_code_has_another_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = self.key()
        monkeypatch.setattr(checkpoints, "__version__", "99")
        assert self.key() != before
