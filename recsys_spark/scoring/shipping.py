"""How values reach the executors, and how counts come back. The only place of the scoring that uses `sparkContext`.

A small value is broadcast. A large one, such as the vectors of millions of users, lies in one file on each node, which
Spark fetches from the driver once for each executor; Python workers map it into their memory. They share the pages that
they read, and start without reading the rest. Over Spark Connect, where there is no `sparkContext`, `connect_shipping`
does the same by other means, and nothing is counted.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pyspark import Accumulator, SparkFiles
from pyspark.sql import SparkSession

from recsys_spark.connect import is_connect
from recsys_spark.scoring.connect_shipping import shipped_over_connect
from recsys_spark.scoring.mapped import InFile, Pickled

LEAST_IN_A_FILE = 1 << 20
"""Bytes of arrays from which on a value goes into a file."""

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
    pickled = Pickled.of(value)
    is_large = pickled.nbytes >= LEAST_IN_A_FILE
    name = f"shipped-{uuid.uuid4().hex}"
    if is_connect(spark):
        return shipped_over_connect(spark, value, pickled if is_large else None, name)
    context = spark.sparkContext
    if not is_large:
        small = context.broadcast(value)
        return lambda: small.value
    # Spark takes a file that already is where it would put it, and removes that folder at the end
    path = Path(SparkFiles.getRootDirectory()) / name
    value_in_file: _Mapped[T] = _Mapped(pickled.write(path), name)
    mapped = context.broadcast(value_in_file)
    context.addFile(str(path))
    return lambda: mapped.value.value


@dataclass(frozen=True, eq=False)
class _Mapped(Generic[T]):
    """A value whose arrays lie in a file that Spark has brought.

    Args:
        stored: reads it.
        file: its name, as `SparkFiles` knows it.
    """

    stored: InFile
    file: str

    # the broadcast keeps this object in a worker, and this object the value
    @functools.cached_property
    def value(self) -> T:
        """The value, its arrays read-only."""
        # nothing from outside: the driver of this very application has pickled and broadcast it
        value: T = self.stored.read(Path(SparkFiles.get(self.file)))
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
        """Counts from zero.

        Args:
            spark: a session with a JVM of its own: accumulators are none of Spark Connect's.
        """
        return cls(*(spark.sparkContext.accumulator(0) for _ in range(3)))

    def add(self, *, users: int, decided: int, scored: int) -> None:
        """Count, in a task."""
        self.users.add(users)
        self.decided.add(decided)
        self.scored.add(scored)
