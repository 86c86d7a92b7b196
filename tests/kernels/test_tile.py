"""A tile's masks are those of the same bounds in numpy, bit for bit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from recsys_spark.kernels.arrays import F32, F64, I64, read_only
from recsys_spark.kernels.cpu import byte_lanes
from recsys_spark.kernels.jit import jit
from recsys_spark.kernels.tile import (
    BLOCK,
    GROUP,
    OUTPUTS,
    ItemCodes,
    SecondLayer,
    UserCodes,
    dot_tile,
    relu_tile,
    trailing_zeros,
    two_layer_mask,
)

pytestmark = pytest.mark.skipif(not byte_lanes(), reason="this CPU has no 8-bit dot products (VNNI)")

GROUPS, BLOCKS, WORDS = 2, 3, 5
RNG = np.random.default_rng(3)
USER = RNG.integers(0, 256, (GROUPS, WORDS, GROUP, 4)).astype(np.uint8)
ITEM = RNG.integers(0, 256, (BLOCKS, WORDS, BLOCK, 4)).astype(np.uint8)
WEIGHT = RNG.integers(-127, 128, (WORDS, 4)).astype(np.int8)


def words(codes: npt.NDArray[np.generic]) -> npt.NDArray[np.int32]:
    packed: npt.NDArray[np.int32] = codes.view(np.int32)[..., 0]
    return read_only(packed)


def floats(*shape: int) -> F32:
    return read_only(RNG.random(shape).astype(np.float32))


USERS = UserCodes(words(USER), floats(GROUPS, GROUP), read_only(RNG.integers(-9, 9, (GROUPS, GROUP)).astype(np.int32)))
ITEMS = ItemCodes(words(ITEM), floats(BLOCKS, BLOCK), floats(BLOCKS, BLOCK), words(WEIGHT))
SECOND = SecondLayer(
    words(RNG.integers(-127, 128, (WORDS, 2 * OUTPUTS, 4)).astype(np.int8)),
    floats(2 * OUTPUTS),
    read_only(RNG.standard_normal(2 * OUTPUTS).astype(np.float32)),
    floats(BLOCKS, 2 * OUTPUTS, BLOCK),
    floats(GROUPS, GROUP, 2 * OUTPUTS),
)


def rows(codes: npt.NDArray[np.uint8], number: int) -> npt.NDArray[np.int64]:
    """Codes of a group or block as rows: [size, numbers]."""
    return codes[number].transpose(1, 0, 2).reshape(codes.shape[2], -1).astype(np.int64)


def bounds(relu: bool, group: int, block: int) -> F64:
    users, items = rows(USER, group), rows(ITEM, block)
    if relu:
        sums = np.maximum(users[:, None], items[None]) @ WEIGHT.reshape(-1).astype(np.int64)
    else:
        sums = users.astype(np.uint8).view(np.int8).astype(np.int64) @ items.T
    sums = sums + USERS.start[group][:, None]
    return sums * ITEMS.scale[block].astype(float) * USERS.scale[group][:, None] + ITEMS.constant[block]


@jit
def run_tile(
    relu: bool, users: UserCodes, items: ItemCodes, thresholds: F32, masks: I64, found: F32, group: int, block: int
) -> int:
    if relu:
        return relu_tile(users, items, thresholds, masks, found, group, block)
    return dot_tile(users, items, thresholds, masks, found, group, block)


@jit
def run_mask(
    users: UserCodes, items: ItemCodes, second: SecondLayer, least: np.float32, group: int, p: int, block: int
) -> int:
    return two_layer_mask(users, items, second, least, group, p, block)


def bits(mask: int) -> list[bool]:
    return [bool(int(mask) >> t & 1) for t in range(BLOCK)]


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(("group", "block"), [(0, 0), (1, 2)])
def test_bits_are_set_where_the_bound_reaches_the_threshold(relu: bool, group: int, block: int) -> None:
    expected, masks = bounds(relu, group, block), np.zeros(GROUP, np.int64)
    thresholds = np.zeros((GROUPS, GROUP), np.float32)
    # between two bounds, so that rounding decides nothing
    ordered = np.sort(expected, axis=1)
    thresholds[group] = (ordered[:, BLOCK // 2] + ordered[:, BLOCK // 2 + 1]) / 2

    thresholds[group, 1] = np.inf
    found = np.full((GROUP, BLOCK), np.nan, np.float32)
    some = run_tile(relu, USERS, ITEMS, thresholds, masks, found, group, block)

    assert some != 0
    assert [bits(mask) for mask in masks] == (expected >= thresholds[group][:, None]).tolist()
    # bounds are told of those users only who have a bit
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(np.delete(found, 1, axis=0), np.delete(expected, 1, axis=0), rtol=1e-5)


@pytest.mark.parametrize("relu", [False, True])
def test_nothing_reaches_infinity(relu: bool) -> None:
    thresholds, masks = np.full((GROUPS, GROUP), np.inf, np.float32), np.ones(GROUP, np.int64)

    assert run_tile(relu, USERS, ITEMS, thresholds, masks, np.empty((GROUP, BLOCK), np.float32), 1, 1) == 0
    assert masks.tolist() == [0] * GROUP


def test_two_layers() -> None:
    group, p, block = 1, GROUP - 1, 2
    larger = np.maximum(rows(USER, group)[p], rows(ITEM, block))
    weights = SECOND.weights.view(np.int8).reshape(WORDS, 2 * OUTPUTS, 4).transpose(0, 2, 1).reshape(-1, 2 * OUTPUTS)
    z = (larger @ weights.astype(np.int64)) * SECOND.grain.astype(float)
    z += SECOND.item_part[block].T + SECOND.user_part[group, p]
    expected = ITEMS.constant[block] + np.maximum(z, 0) @ SECOND.output.astype(float)
    ordered = np.sort(expected)
    least = np.float32((ordered[BLOCK // 3] + ordered[BLOCK // 3 + 1]) / 2)

    assert bits(run_mask(USERS, ITEMS, SECOND, least, group, p, block)) == (expected >= least).tolist()


@jit
def zeros_below(number: int) -> int:
    return trailing_zeros(number)


@pytest.mark.parametrize("place", [0, 1, 31, 32, 63])
def test_trailing_zeros(place: int) -> None:
    number = np.array([1 << place | (1 << 63 if place < 60 else 0)], np.uint64).view(np.int64)[0]
    assert zeros_below(number) == place
