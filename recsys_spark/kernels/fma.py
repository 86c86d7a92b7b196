"""Fused multiply-add in float32: a * b + c with one rounding.

IEEE 754 defines its result to the bit, so every CPU gives the same one, those without the instruction by a slow call of
a library. LLVM turns a loop of them into vector instructions; unlike a separate multiply and add, which a compiler may
or may not contract, it leaves nothing to choose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numba.core import types
from numba.extending import intrinsic


def _emit(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """Tell numba the type and the LLVM instruction; any other type than float32 is a compile error."""
    if (a, b, c) != (types.float32, types.float32, types.float32):
        return None
    signature = types.float32(types.float32, types.float32, types.float32)

    def instruction(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return signature, instruction


fma = cast(Callable[[np.float32, np.float32, np.float32], np.float32], intrinsic(_emit))
"""fma(a, b, c) = a * b + c, rounded once; only inside compiled kernels."""
