"""Compile kernels with numba, and keep the machine code where the next Python worker finds it.

numba's own `cache=True` does not fit a package that is shipped to executors. It checks only the file that a function
stands in, not the files of the functions it calls, so that an upgrade may run old machine code. For a package inside a
zip file it depends on the folder of the zip, which is another one for each Spark application. And it raises if the
folder cannot be written. Here the folder's name is a digest of all kernel sources, numba's and Python's versions and
the CPU, so that nothing stale is ever found and unequal hosts may share a file system. A cache that cannot be used
costs a compilation, never the run.

The folder lies below `NUMBA_CACHE_DIR`, else below the user's cache folder (`XDG_CACHE_HOME`, `~/.cache`).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, cast

import llvmlite.binding as llvm
import numba
from numba.core import config
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator

Function = TypeVar("Function", bound=Callable[..., Any])


def jit(function: Function) -> Function:
    """Compile a kernel at its first call, without the GIL, with IEEE division and without fast-math.

    It must not make arrays. numba counts who uses an array, with two atomic operations at each call and each time that
    it is taken out of a tuple, which can cost more than all else; what only reads and writes arrays of its callers
    needs no count.
    """
    return _compiled(function, counted=False)


def jit_with_arrays(function: Function) -> Function:
    """The same for a function that makes arrays; it should leave its loops to one that makes none."""
    return _compiled(function, counted=True)


def _compiled(function: Function, *, counted: bool) -> Function:
    dispatcher = numba.njit(nogil=True, error_model="numpy", _nrt=counted)(function)
    if cache_folder() is not None:
        dispatcher._cache = _KernelCache(function)
    return cast(Function, dispatcher)


@functools.cache
def cache_folder() -> Path | None:
    """Where the machine code of these sources for this CPU is kept; none if the user has no home."""
    try:
        root = config.CACHE_DIR or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:
        return None
    return Path(root).absolute() / "recsys-spark-kernels" / _digest()


def _digest() -> str:
    """A name for what the machine code depends on: sources, compiler, interpreter, CPU."""
    cpu = config.CPU_NAME or llvm.get_host_cpu_name()
    features = config.CPU_FEATURES if config.CPU_FEATURES is not None else llvm.get_host_cpu_features().flatten()
    digest = hashlib.sha256(repr((numba.__version__, sys.version, cpu, features)).encode())
    for source in sorted(resources.files("recsys_spark.kernels").iterdir(), key=lambda entry: entry.name):
        if source.name.endswith(".py"):
            digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:24]


class _KernelCacheLocator(_CacheLocator):
    """Tells numba the folder; freshness needs no stamp, since the folder's name is the stamp."""

    def __init__(self, line: int, folder: Path) -> None:
        self._line = line
        self._folder = folder

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> _KernelCacheLocator | None:
        folder = cache_folder()
        return cls(py_func.__code__.co_firstlineno, folder) if folder is not None else None

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return self._folder.name

    def get_disambiguator(self) -> str:
        return str(self._line)


class _KernelCacheFiles(CompileResultCacheImpl):
    _locator_classes = [_KernelCacheLocator]


class _KernelCache(FunctionCache):
    """numba's cache, but what cannot be read is forgotten, and what cannot be written is compiled again."""

    _impl_class = _KernelCacheFiles

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # damaged bytes may raise anything while they are unpickled
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)
