"""The rows that a network is trained on: four columns, in memory or as memory-mapped files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from recsys_spark.kernels.arrays import F32, I32, Flags
from recsys_spark.training.scratch import fresh_folder

Part = Literal["train", "validation", "test", "gap", "validation_history", "test_history"]

PARTS: tuple[Part, ...] = ("train", "validation", "test", "gap", "validation_history", "test_history")
"""The parts of a split; a row holds its part's position here."""

ROWS_IN_A_CHUNK = 1 << 18
"""Rows that are worked on at once: 3.4 MB, and a few times that for what is made of them."""

_TYPES: dict[str, np.dtype[Any]] = {
    "user": np.dtype("<i4"),
    "item": np.dtype("<i4"),
    "rating": np.dtype("<f4"),
    "part": np.dtype("u1"),
    "day": np.dtype("<f4"),
}


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Encoded ratings as columns: 13 bytes for each rating, 17 with days, on the driver, in memory or on disk.

    Columns on disk are read-only memory-mapped arrays: what is written for arrays works with them, and is fast where
    it goes from the first row to the last. Their memory belongs to the system, which takes it back when it is short.

    Args:
        user: i32[n], indices.
        item: i32[n], indices.
        rating: f32[n], in rating units.
        part: u8[n], positions in `PARTS`.
        folder: that holds the columns as files, one .npy each; none: they are in memory.
        day: f32[n], since 1970 (UTC), NaN where it is not known; none: nobody asked for it.
    """

    user: I32
    item: I32
    rating: F32
    part: npt.NDArray[np.uint8]
    folder: Path | None = None
    day: F32 | None = None

    def __len__(self) -> int:
        return len(self.rating)

    @property
    def columns(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(name for name in _TYPES if getattr(self, name) is not None)

    def chunks(self, size: int = ROWS_IN_A_CHUNK) -> Iterator[TrainingRows]:
        """The rows in their order, so many at once (the last ones fewer): views, and in memory for what is read.

        With it, what would make a copy of a whole column stays small: `found[chunk.user] = True`.
        """
        for start in range(0, len(self), size):
            yield self.taken(slice(start, start + size))

    def select(self, *parts: Part) -> TrainingRows:
        """The rows of some parts, in their order; these very rows if that is all of them.

        Of rows on disk the selected ones are on disk, too: written once, into a folder inside `folder`.
        """
        codes = [code for code, part in enumerate(PARTS) if part in parts]
        n = sum(int(np.isin(chunk.part, codes).sum()) for chunk in self.chunks())
        if n == len(self):
            return self
        wanted = (chunk.taken(np.isin(chunk.part, codes)) for chunk in self.chunks())
        if self.folder is None:
            return gathered(wanted, n, days=self.day is not None)
        place = self.folder / ("-".join(PARTS[code] for code in codes) or "nothing")
        if not place.exists():
            # renamed when it is complete: a folder of this name is always whole
            unfinished = fresh_folder(self.folder, "unfinished-", n_bytes=n * _bytes_of_a_row(self.columns))
            _write(wanted, n, unfinished, self.columns)
            unfinished.rename(place)
        return _opened(place)

    def taken(self, which: slice | Flags) -> TrainingRows:
        """Some of the rows, in their order."""
        day = None if self.day is None else self.day[which]
        return TrainingRows(self.user[which], self.item[which], self.rating[which], self.part[which], day=day)


def gathered(
    chunks: Iterable[TrainingRows], n: int, *, scratch: Path | None = None, days: bool = False
) -> TrainingRows:
    """Rows that come piece by piece, one after the other.

    Args:
        chunks: the pieces; nothing of the data's size stands beside the columns.
        n: rows in all of them.
        scratch: a folder inside which the columns become files, for as long as it exists; none: in memory.
        days: whether they have days.

    Raises:
        DataError: no room in `scratch`.
    """
    columns = tuple(name for name in _TYPES if days or name != "day")
    if scratch is not None:
        folder = fresh_folder(scratch, "rows-", n_bytes=n * _bytes_of_a_row(columns))
        _write(chunks, n, folder, columns)
        return _opened(folder)
    made: dict[str, Any] = {name: np.empty(n, _TYPES[name]) for name in columns}
    rows = TrainingRows(**made)
    start = 0
    for chunk in chunks:
        for name in columns:
            getattr(rows, name)[start : start + len(chunk)] = getattr(chunk, name)
        start += len(chunk)
    return rows


def _bytes_of_a_row(columns: Iterable[str]) -> int:
    return sum(_TYPES[name].itemsize for name in columns)


def _write(chunks: Iterable[TrainingRows], n: int, folder: Path, columns: Iterable[str]) -> None:
    """Plain writes, since a full disk ends them with an error; through a memory map it would end the process."""
    with ExitStack() as stack:
        types = {name: _TYPES[name] for name in columns}
        files = {name: stack.enter_context((folder / f"{name}.npy").open("wb")) for name in types}
        for name, dtype in types.items():
            header = {"descr": dtype.str, "fortran_order": False, "shape": (n,)}
            np.lib.format.write_array_header_1_0(files[name], header)
        for chunk in chunks:
            for name, dtype in types.items():
                files[name].write(np.ascontiguousarray(getattr(chunk, name), dtype=dtype).data)


def _opened(folder: Path) -> TrainingRows:
    there = [name for name in _TYPES if (folder / f"{name}.npy").exists()]
    columns = {name: np.lib.format.open_memmap(folder / f"{name}.npy", mode="r") for name in there}
    return TrainingRows(**columns, folder=folder)
