"""How values reach the executors, and how counts come back. The only place of the scoring that uses `sparkContext`.

A small value is broadcast. A large one, such as the vectors of millions of users, lies in one file on each node, which
Spark fetches from the driver once for each executor; Python workers map it into their memory. They share the pages that
they read, and start without reading the rest.
"""

from __future__ import annotations

import functools
import mmap
import pickle
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pyspark import Accumulator, SparkFiles
from pyspark.sql import SparkSession

LEAST_IN_A_FILE = 1 << 20
"""Bytes of arrays from which on a value goes into a file."""

ALIGNMENT = 64
"""Bytes: where an array begins in the file, a multiple of a cache line."""

T = TypeVar("T")


def shipped(spark: SparkSession, value: T) -> Callable[[], T]:
    """A function that gives the value back, on the driver and in every Python worker.

    A worker makes it once and keeps it as long as its tasks, one after the other, ask for the same value; what the
    value has cached in itself stays with it. Above `LEAST_IN_A_FILE` its arrays are read-only views of a file, which
    goes when the session stops: an executor that starts late still has to find it.

    Args:
        spark: the session.
        value: anything that can be pickled; large numpy and pyarrow arrays cost no worker memory of its own.
    """
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    arrays = [buffer.raw() for buffer in buffers]
    context = spark.sparkContext
    if sum(array.nbytes for array in arrays) < LEAST_IN_A_FILE:
        small = context.broadcast(value)
        return lambda: small.value
    name = f"shipped-{uuid.uuid4().hex}"
    # Spark takes a file that already is where it would put it, and removes that folder at the end
    path = Path(SparkFiles.getRootDirectory()) / name
    value_in_file: _Mapped[T] = _Mapped(pickled, name, _write(path, arrays))
    mapped = context.broadcast(value_in_file)
    context.addFile(str(path))
    return lambda: mapped.value.value


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


@dataclass(frozen=True, eq=False)
class _Mapped(Generic[T]):
    """A value whose arrays lie in a file that Spark has brought.

    Args:
        pickled: the value without its arrays.
        file: its name, as `SparkFiles` knows it.
        spans: where each array begins and ends in it.
    """

    pickled: bytes
    file: str
    spans: tuple[tuple[int, int], ...]

    # the broadcast keeps this object in a worker, and this object the value
    @functools.cached_property
    def value(self) -> T:
        """The value, its arrays read-only."""
        with Path(SparkFiles.get(self.file)).open("rb") as file:
            whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        # nothing from outside: the driver of this very application has pickled and broadcast it
        value: T = pickle.loads(self.pickled, buffers=[whole[start:end] for start, end in self.spans])
        return value


@dataclass(frozen=True)
class Tally:
    """Counts that tasks add to and the driver reads while they run. A task's counts arrive when it ends.

    A task that runs twice, since it was lost or was slow, may be counted twice: this is for people who wait, and never
    for what is published.
    """

    users: Accumulator[int]
    decided: Accumulator[int]
    """Pairs, also those that a bound has left out."""

    scored: Accumulator[int]
    """Pairs that were scored."""

    @classmethod
    def start(cls, spark: SparkSession) -> Tally:
        """Counts from zero."""
        return cls(*(spark.sparkContext.accumulator(0) for _ in range(3)))

    def add(self, *, users: int, decided: int, scored: int) -> None:
        """Count, in a task."""
        self.users.add(users)
        self.decided.add(decided)
        self.scored.add(scored)


def cores(spark: SparkSession) -> int:
    """Tasks that the session runs at the same time, as far as it knows yet."""
    return spark.sparkContext.defaultParallelism
