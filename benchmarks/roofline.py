"""How near the kernels come to what this CPU can do: multiply-adds a second beside measured peaks, on one core.

    ./.venv/bin/python benchmarks/roofline.py [--rounds 5] [--out docs/roofline.json]

Peaks, each by a loop that does nothing else: 8-bit multiply-adds and those behind a maximum of bytes (the tiles of the
screening kernels themselves on operands of 256 columns that stay in the first-level cache, with thresholds that nothing
reaches), float32 multiply-adds (a product of two 2,048 x 2,048 matrices), and the memory's bandwidth (reading 512 MB).

Kernels: random models of the base point of `benchmarks/growth.py`. What a kernel does for a pair: k multiply-adds of
a dot product (of 8-bit codes when screening), h maxima and multiply-adds of a relu layer, h1 maxima and h1 x h2
multiply-adds of two. What it moves for a pair: the item's codes (or float32 numbers) are read once for all users that
go through the items together, from whichever cache holds them. Coding the users, exact scores of what a bound leaves
and the lists are part of the time, but not of the multiply-adds. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[threads] = "1"

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numba  # noqa: E402 - after the number of threads is set
import numpy as np  # noqa: E402

from benchmarks.growth import BASE, OURS, Contender, contender, dot, sgemm, users_of  # noqa: E402
from benchmarks.kernels import cpu_name  # noqa: E402
from benchmarks.turns import on_one_core, seconds_in_turns, tell  # noqa: E402
from recsys_spark.kernels.arrays import F32, I64, read_only  # noqa: E402
from recsys_spark.kernels.cpu import byte_lanes  # noqa: E402
from recsys_spark.kernels.jit import jit  # noqa: E402
from recsys_spark.kernels.plain import USERS_PER_TILE  # noqa: E402
from recsys_spark.kernels.screen import GROUPS_AT_ONCE  # noqa: E402
from recsys_spark.kernels.tile import (  # noqa: E402
    BLOCK,
    GROUP,
    ItemCodes,
    UserCodes,
    dot_tile,
    relu_tile,
)

COLUMNS, TILES = 256, 20_000
"""Of the tile's operands; how often it runs."""

MATRIX, STREAM = 2048, 1 << 27
"""Rows and columns; float32 numbers."""

BYTES, MAXIMA, FLOATS = "8-bit multiply-adds", "maxima and 8-bit multiply-adds", "float32 multiply-adds"


def main() -> None:
    """Measure peaks, then kernels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    given = parser.parse_args()
    on_one_core()
    peaks, bandwidth = measured_peaks(given.rounds)
    figures: dict[str, Any] = {
        "machine": f"{cpu_name()}, one core, {byte_lanes()} lanes of 8-bit products",
        "peaks": peaks,
        "bandwidth": bandwidth,
        "kernels": measured_kernels(peaks, given.rounds),
    }
    if given.out:
        given.out.write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures))


def measured_peaks(rounds: int) -> tuple[dict[str, float], float]:
    """Multiply-adds a second of each kind, and bytes a second from memory."""
    left = np.ones((MATRIX, MATRIX), np.float32)
    stream, out = np.ones(STREAM, np.float32), np.empty_like(left)
    runs = {FLOATS: lambda: np.matmul(left, left, out=out), "memory": lambda: _sum(stream)}
    work = {FLOATS: float(MATRIX**3), "memory": float(stream.nbytes)}
    if byte_lanes():
        runs |= {kind: tiles(relu=kind == MAXIMA) for kind in (BYTES, MAXIMA)}
        work |= dict.fromkeys((BYTES, MAXIMA), float(TILES * GROUP * BLOCK * COLUMNS))
    else:
        tell("NOT RUN: 8-bit products: this CPU has no instruction for them (VNNI)")
    rates = {name: work[name] / taken for name, taken in seconds_in_turns(runs, rounds).items()}
    for name, rate in rates.items():
        tell(f"{name:32} {rate / 1e9:8.1f} G a second")
    bandwidth = rates.pop("memory")
    return rates, bandwidth


def tiles(*, relu: bool) -> Any:
    """One tile, over and over."""
    n_words = COLUMNS // 4
    weights = read_only(np.full(n_words, 0x01010101, np.int32)) if relu else np.empty(0, np.int32)
    words, one = np.full((1, n_words, BLOCK), 0x01010101, np.int32), np.ones((1, BLOCK), np.float32)
    items = ItemCodes(read_only(words), read_only(one), read_only(one), weights)
    own = np.full((1, n_words, GROUP), 0x01010101, np.int32)
    users = UserCodes(
        read_only(own), read_only(np.ones((1, GROUP), np.float32)), read_only(np.zeros((1, GROUP), np.int32))
    )
    thresholds = np.full((1, GROUP), np.inf, np.float32)
    masks, bounds = np.zeros(GROUP, np.int64), np.zeros((GROUP, BLOCK), np.float32)
    loop = _relu_tiles if relu else _dot_tiles
    return lambda: loop(users, items, thresholds, masks, bounds, TILES)


@jit
def _dot_tiles(users: UserCodes, items: ItemCodes, thresholds: F32, masks: I64, bounds: F32, times: int) -> int:
    some = 0
    for _ in range(times):
        some |= dot_tile(users, items, thresholds, masks, bounds, 0, 0)
    return some


@jit
def _relu_tiles(users: UserCodes, items: ItemCodes, thresholds: F32, masks: I64, bounds: F32, times: int) -> int:
    some = 0
    for _ in range(times):
        some |= relu_tile(users, items, thresholds, masks, bounds, 0, 0)
    return some


@numba.njit(fastmath=True)
def _sum(numbers):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for number in numbers:
        total += number
    return total


def work_of_a_pair(name: str) -> tuple[str, float, float]:
    """Kind and number of multiply-adds, and bytes moved."""
    together = GROUPS_AT_ONCE * GROUP
    # of each user or item besides codes: a scale and a constant
    beside = 8
    h1, h2 = 128, 32
    return {
        "dot": (BYTES, BASE.k, (BASE.k + beside) / together),
        "one layer": (MAXIMA, BASE.hidden, (BASE.hidden + beside) / together),
        "layers 128, 32": (BYTES, h1 * h2, (h1 + 4 * h2 + beside) / together),
        "dot, plain": (FLOATS, BASE.k, 4 * BASE.k / USERS_PER_TILE),
        # the item matrix once for 512 users, and every score written
        "sgemm": (FLOATS, BASE.k, 4 * BASE.k / 512 + 4),
    }[name]


def measured_kernels(peaks: dict[str, float], rounds: int) -> dict[str, dict[str, Any]]:
    """Each kernel's rate, and its share of the peak of its instructions."""
    made: dict[str, Contender | None] = {
        name: contender(name, BASE) for name in OURS if byte_lanes() or "plain" in name
    }
    made["sgemm"] = sgemm(dot(BASE))
    users = {name: users_of(name, BASE) for name in made}
    runs = {name: lambda run=one.run, n=users[name]: run(n) for name, one in made.items() if one}
    found = {}
    for name, seconds in seconds_in_turns(runs, rounds).items():
        kind, operations, moved = work_of_a_pair(name)
        pairs = users[name] * BASE.items / seconds
        share = pairs * operations / peaks[kind]
        found[name] = {"kind": kind, "pairs": pairs, "operations": operations, "bytes": moved, "share": share}
        tell(f"{name:16} {pairs / 1e6:8.1f} M pairs/s x {operations:5} {kind}: {share:.0%} of the peak")
    return found


if __name__ == "__main__":
    main()
