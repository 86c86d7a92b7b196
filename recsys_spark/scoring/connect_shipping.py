"""How values reach the executors over Spark Connect, which knows neither broadcasts nor accumulators.

A small value travels inside the function that asks for it. The arrays of a large one lie in a file that the session
uploads to the server once (`addArtifacts`), from where each executor fetches it once. It belongs to the session; an
executor removes it some time after the session's last task.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from pyspark import SparkFiles, TaskContext
from pyspark.sql import SparkSession

from recsys_spark.scoring.mapped import InFile, Pickled

T = TypeVar("T")


def shipped_over_connect(spark: SparkSession, value: T, arrays: Pickled | None, name: str) -> Callable[[], T]:
    """See `shipping.shipped`.

    Args:
        spark: a session of Spark Connect.
        value: what to ship.
        arrays: the value taken apart, if it is large enough for a file; none: it travels with the function.
        name: no other value's.
    """
    if arrays is None:
        return _Shipped(name, value, None)
    with tempfile.TemporaryDirectory(prefix="recsys-shipped-") as folder:
        path = Path(folder) / name
        stored = arrays.write(path)
        spark.addArtifacts(str(path), file=True)
    return _Shipped(name, value, stored)


class _Shipped(Generic[T]):
    """Gives the value back. On the driver it is the value itself; a pickle holds it only if it is small.

    Args:
        name: of the value, and of its file.
        value: on the driver.
        stored: reads it from the file; none: there is no file.
    """

    def __init__(self, name: str, value: T, stored: InFile | None) -> None:
        self._name, self._value, self._stored = name, value, stored

    def __call__(self) -> T:
        return self._value

    def __reduce__(self) -> tuple[type[_InWorker[T]], tuple[str, T | None, InFile | None]]:
        return _InWorker, (self._name, self._value if self._stored is None else None, self._stored)


class _InWorker(Generic[T]):
    """What `_Shipped` becomes in a Python worker, anew for each task.

    Args:
        name: of the value, and of its file.
        value: if it is small.
        stored: reads it from the file; none: there is no file.
    """

    def __init__(self, name: str, value: T | None, stored: InFile | None) -> None:
        self._name, self._value, self._stored = name, value, stored

    def __call__(self) -> T:
        context = TaskContext.get()
        value: T = _kept.get(self._name, self._read, task=None if context is None else context.taskAttemptId())
        return value

    def _read(self) -> Any:
        if self._stored is None:
            return self._value
        # nothing from outside: the driver of this very session has pickled and uploaded it
        return self._stored.read(Path(SparkFiles.get(self._name)))


class _Kept:
    """The values that a worker's last two tasks have asked for; the process outlives its tasks, functions do not."""

    def __init__(self) -> None:
        self._task: int | None = None
        self._asked: dict[str, Any] = {}
        self._asked_before: dict[str, Any] = {}

    def get(self, name: str, read: Callable[[], Any], *, task: int | None) -> Any:
        """The value of that name, read if neither this task nor the one before has asked for it."""
        if task != self._task:
            self._task, self._asked_before, self._asked = task, self._asked, {}
        if name not in self._asked:
            self._asked[name] = self._asked_before[name] if name in self._asked_before else read()
        return self._asked[name]


_kept = _Kept()
