"""What this CPU can do, as far as kernels differ by it.

Only the speed of a kernel depends on that, never a row. The features are those that numba compiles for, so that its
`NUMBA_CPU_FEATURES` and `NUMBA_CPU_NAME` also choose the path that is taken here.
"""

from __future__ import annotations

import functools
import platform

import llvmlite.binding as llvm
from numba.core import config


@functools.cache
def features() -> frozenset[str]:
    """Names of the features in LLVM's spelling, for example `avx512vnni`."""
    if config.CPU_NAME == "generic":
        return frozenset()
    if config.CPU_FEATURES is not None:
        flags = config.CPU_FEATURES.split(",")
        return frozenset(flag[1:] for flag in flags if flag.startswith("+"))
    return frozenset(name for name, present in llvm.get_host_cpu_features().items() if present)


@functools.cache
def byte_lanes() -> int:
    """Lanes of 32 bits in which this CPU multiplies and adds bytes by one instruction (VNNI); 0: it has none."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return 0
    if {"avx512vnni", "avx512bw", "avx512vl"} <= features():
        return 16
    return 8 if "avxvnni" in features() else 0
