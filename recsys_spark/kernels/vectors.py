"""Vector instructions for kernels whose registers are laid out by hand, as LLVM's intermediate code.

numba turns plain loops into vector instructions by itself, but keeps no tile of sums in registers. The few functions
here are what such a tile is written with, inside numba's `intrinsic`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

BIT: Any = ir.IntType(1)
I8: Any = ir.IntType(8)
I32: Any = ir.IntType(32)
I64: Any = ir.IntType(64)
F32: Any = ir.FloatType()


def index(value: int) -> Any:
    """A constant position."""
    return ir.Constant(I64, value)


def start_of(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    """The pointer to the first element of a numba array, which must be C-contiguous."""
    return context.make_array(kind)(context, builder, array).data


def shape_of(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    """The shape of a numba array, i64 for each dimension."""
    return context.make_array(kind)(context, builder, array).shape


def load(builder: Any, pointer: Any, position: Any, vector: Any) -> Any:
    """The vector that begins at an element of what `pointer` points to; it need not be aligned."""
    there = builder.bitcast(builder.gep(pointer, [position]), vector.as_pointer())
    return builder.load(there, align=1)


def store(builder: Any, values: Any, pointer: Any, position: Any) -> None:
    """Write a vector where `load` would read it."""
    builder.store(values, builder.bitcast(builder.gep(pointer, [position]), values.type.as_pointer()), align=1)


def spread(builder: Any, scalar: Any, lanes: int) -> Any:
    """A vector with the scalar in every lane."""
    vector = ir.VectorType(scalar.type, lanes)
    nothing = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(nothing, scalar, ir.Constant(I32, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(I32, lanes), [0] * lanes))


def counted(
    builder: Any, n: Any, begin: Sequence[Any], step: Callable[[Any, Sequence[Any]], Sequence[Any]]
) -> Sequence[Any]:
    """A loop over 0 .. n - 1 with values in registers: step(position, values) gives the next values; n is at least 1.

    Args:
        builder: at the place of the loop; afterwards behind it.
        n: i64.
        begin: the values at first.
        step: emits one step.

    Returns:
        The values after the last step.
    """
    before = builder.block
    loop, done = builder.append_basic_block("loop"), builder.append_basic_block("done")
    builder.branch(loop)
    builder.position_at_end(loop)
    position = builder.phi(I64)
    position.add_incoming(index(0), before)
    values = []
    for value in begin:
        phi = builder.phi(value.type)
        phi.add_incoming(value, before)
        values.append(phi)
    following = step(position, values)
    end = builder.block
    for phi, value in zip(values, following, strict=True):
        phi.add_incoming(value, end)
    advanced = builder.add(position, index(1))
    position.add_incoming(advanced, end)
    builder.cbranch(builder.icmp_signed("<", advanced, n), loop, done)
    builder.position_at_end(done)
    return following


def fused(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c for vectors of float32, rounded once."""
    return builder.call(_function(builder, f"llvm.fma.v{a.type.count}f32", a.type, 3), [a, b, c])


def add_byte_products(builder: Any, sums: Any, unsigned: Any, signed: Any, lanes: int) -> Any:
    """sums[l] + the products of the four bytes of both words of lane l: the instruction `vpdpbusd`.

    Args:
        builder: at the place.
        sums: i32 x lanes; wraps around.
        unsigned: i32 x lanes, four unsigned bytes each.
        signed: i32 x lanes, four signed bytes each.
        lanes: 16 or 8.
    """
    instruction = _function(builder, f"llvm.x86.avx512.vpdpbusd.{32 * lanes}", sums.type, 3)
    return builder.call(instruction, [sums, unsigned, signed])


def larger_bytes(builder: Any, left: Any, right: Any, lanes: int) -> Any:
    """The larger of each two unsigned bytes of i32 x lanes."""
    as_bytes = ir.VectorType(I8, 4 * lanes)
    a, b = builder.bitcast(left, as_bytes), builder.bitcast(right, as_bytes)
    return builder.bitcast(builder.select(builder.icmp_unsigned(">", a, b), a, b), left.type)


def _function(builder: Any, name: str, kind: Any, n_arguments: int) -> Any:
    """An LLVM intrinsic whose arguments and result are of one type."""
    known = builder.module.globals.get(name)
    return known or ir.Function(builder.module, ir.FunctionType(kind, [kind] * n_arguments), name)
