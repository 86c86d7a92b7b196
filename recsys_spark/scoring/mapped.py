"""A value whose arrays lie in a file, which those who read it map into their memory."""

from __future__ import annotations

import mmap
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ALIGNMENT = 64
"""Bytes: where an array begins in the file, a multiple of a cache line."""


@dataclass(frozen=True)
class Pickled:
    """A value without its arrays, and these beside it.

    Args:
        rest: the value without its arrays.
        arrays: their bytes, not copied.
    """

    rest: bytes
    arrays: tuple[memoryview, ...]

    @classmethod
    def of(cls, value: object) -> Pickled:
        """Take a value apart; large numpy and pyarrow arrays stay where they are."""
        buffers: list[pickle.PickleBuffer] = []
        rest = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        return cls(rest, tuple(buffer.raw() for buffer in buffers))

    @property
    def nbytes(self) -> int:
        """Of all arrays."""
        return sum(array.nbytes for array in self.arrays)

    def write(self, path: Path) -> InFile:
        """Write the arrays into a file."""
        return InFile(self.rest, _write(path, self.arrays))


@dataclass(frozen=True)
class InFile:
    """What reads a value back from the file of its arrays.

    Args:
        rest: the value without its arrays.
        spans: where each array begins and ends in the file.
    """

    rest: bytes
    spans: tuple[tuple[int, int], ...]

    def read(self, path: Path) -> Any:
        """The value, its arrays read-only views of the file. Those who read the same file share its pages.

        Only for files that this very application has written: pickles run code.
        """
        with path.open("rb") as file:
            whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return pickle.loads(self.rest, buffers=[whole[start:end] for start, end in self.spans])


def _write(path: Path, arrays: Sequence[memoryview]) -> tuple[tuple[int, int], ...]:
    """Write the arrays, each aligned; gives where each begins and ends."""
    spans = []
    with path.open("wb") as file:
        for array in arrays:
            start = -(-file.tell() // ALIGNMENT) * ALIGNMENT
            file.seek(start)
            file.write(array)
            spans.append((start, start + array.nbytes))
    return tuple(spans)
