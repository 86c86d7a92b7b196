"""How the time of the kernels grows: one thing varied at a time, on one core, beside a bare sgemm and implicit.

    ./.venv/bin/python benchmarks/growth.py [--axes items k ...] [--rounds 5] [--out docs/growth.json]

The base point has 20,000 users, 26,744 items, k = 64, lists of ten and 100 seen items for each user, one list, no
segments. From there one axis is varied: users, items, k of dot products, hidden units of one relu layer, entries of a
list, seen items, variants (lists of a user), segments (each may get a tenth of the items).

All vectors and weights are Gaussian random numbers, the worst case: no bound likes them, and no item stands out.
Trained models are faster, see `benchmarks/sizes.py` and `benchmarks/kernels.py`. A contender scores as many users as
it needs for about 0.1 s, and on the axis of users as many as that says. Everything runs on one core, in turns; medians
of the rounds are told, in seconds of those users. sgemm makes no list; implicit makes lists, but leaves nothing out.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[threads] = "1"

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np  # noqa: E402 - after the number of threads is set

from benchmarks.kernels import cpu_name  # noqa: E402
from benchmarks.turns import on_one_core, seconds_in_turns, tell  # noqa: E402
from recsys_spark.kernels.arrays import F32, I32, I64, Flags  # noqa: E402
from recsys_spark.kernels.cpu import byte_lanes  # noqa: E402
from recsys_spark.kernels.scorer import DenseLayer, PairScorer  # noqa: E402
from recsys_spark.kernels.segments import Segments  # noqa: E402
from recsys_spark.kernels.top_n import Kernel, prepare  # noqa: E402

USERS_IN_A_CALL = 1024
"""As in a Spark task."""

LAYER_COLUMNS = 10
"""Of a user and of an item, in front of layers."""


@dataclass(frozen=True)
class Point:
    """What is scored."""

    users: int = 20_000
    items: int = 26_744
    k: int = 64
    hidden: int = 1024
    n: int = 10
    seen: int = 100
    variants: int = 1
    segments: int = 0


BASE = Point()

AXES: dict[str, tuple[int, ...]] = {
    "users": (80, 400, 1_600, 6_400, 20_000),
    "items": (1_000, 3_000, 10_000, 30_000, 100_000, 300_000),
    "k": (8, 16, 32, 64, 128, 256),
    "hidden": (64, 128, 256, 512, 1024, 2048),
    "n": (1, 10, 30, 100, 300, 1000),
    "seen": (0, 10, 100, 1_000, 10_000),
    "variants": (1, 2, 6, 19),
    "segments": (0, 10, 1000),
}

OURS: dict[str, tuple[str, Kernel]] = {
    "dot": ("dot", "auto"),
    "dot, plain": ("dot", "plain"),
    "one layer": ("layer", "auto"),
    "layers 128, 32": ("layers", "auto"),
}
"""Name of the contender: which scorer, and which kernel."""

ON_AXIS: dict[str, tuple[str, ...]] = {
    "k": ("dot", "dot, plain", "sgemm", "implicit"),
    "hidden": ("one layer",),
    "users": ("dot", "one layer", "sgemm", "implicit"),
    "variants": ("dot", "one layer", "layers 128, 32"),
    "segments": ("dot", "one layer", "layers 128, 32"),
    "seen": ("dot", "dot, plain", "one layer", "layers 128, 32"),
}
"""Who stands on an axis; all of them on the others."""

PAIRS = {
    "dot": 80e6,
    "dot, plain": 16e6,
    "one layer": 16e6,
    "layers 128, 32": 8e6,
    "sgemm": 60e6,
    "implicit": 40e6,
}
"""That a contender scores in a run: about 0.1 s."""

FEWEST_USERS = 80
"""A run has: those that go through the items together."""

CODED_AT_ONCE = 1 << 27
"""Bytes of coded items that a kernel keeps; with more it codes anew for each call, which few users do not pay for."""


def main() -> None:
    """Measure every axis."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--axes", nargs="+", choices=list(AXES), default=list(AXES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of users and items; below 1 to see that it works")
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    given = parser.parse_args()
    on_one_core()
    if importlib.util.find_spec("implicit") is None:
        tell("NOT RUN: implicit is not installed (the extra `bench`)")
    start = time.perf_counter()
    for name in OURS:
        contender(name, Point(users=80, items=600))  # compiles
    figures: dict[str, Any] = {
        "machine": f"{cpu_name()}, one core, {byte_lanes()} lanes of 8-bit products",
        "base": vars(BASE),
        "axes": {axis: measured_axis(axis, given.rounds, given.scale) for axis in given.axes},
    }
    tell(f"\ndone in {time.perf_counter() - start:.0f} s")
    if given.out:
        given.out.write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures))


def measured_axis(axis: str, rounds: int, scale: float) -> dict[str, list[dict[str, float]]]:
    """The figures of each contender along an axis."""
    tell(f"\n{axis}")
    found: dict[str, list[dict[str, float]]] = {}
    for value in AXES[axis]:
        point = replace(BASE, **{axis: value})
        point = replace(point, users=max(1, round(point.users * scale)), items=max(300, round(point.items * scale)))
        wanted = ON_AXIS.get(axis, (*OURS, "sgemm", "implicit"))
        runs, users, set_up = {}, {}, {}
        for name in wanted:
            made = contender(name, point)
            if made is None:
                continue
            users[name] = point.users if axis == "users" else users_of(name, point)
            runs[name] = lambda run=made.run, n=users[name]: run(n)
            set_up[name] = made.set_up
        seconds = seconds_in_turns(runs, rounds)
        for name, median in seconds.items():
            pairs = users[name] * point.items
            row = {"at": getattr(point, axis), "seconds": median, "users": users[name], "items": point.items}
            if name in OURS:
                row["set_up"] = set_up[name]
            found.setdefault(name, []).append(row)
            tell(f"  {axis} {value:>9,}  {name:16} {median / pairs * 1e9:8.3f} ns a pair, {median:7.3f} s")
    return found


def users_of(name: str, point: Point) -> int:
    """How many users make a run of the wanted length; long lists take longer."""
    wanted = round(PAIRS[name] / max(1.0, point.n / 30) / point.items / FEWEST_USERS) * FEWEST_USERS
    return min(max(wanted, FEWEST_USERS), point.users)


@dataclass(frozen=True)
class Contender:
    """One way of scoring: `run` scores so many users; `set_up` is what coding the items took, in seconds."""

    run: Callable[[int], object]
    set_up: float = 0.0


def contender(name: str, point: Point) -> Contender | None:
    """Who scores a point; none where it cannot, which is told."""
    if name == "sgemm":
        return sgemm(dot(point))
    if name == "implicit":
        return implicit(dot(point), point.n)
    model, kernel = OURS[name]
    made = {"dot": dot, "layer": layer, "layers": layers}[model](point)
    if code_bytes(made) > CODED_AT_ONCE:
        tell(f"  NOT RUN: {name} with {point.items:,} items: their codes would be made anew for each call")
        return None
    return lists(made, point, kernel)


def code_bytes(scorer: PairScorer) -> int:
    """Of the coded items: one for each column or hidden unit, four for each output of a second layer."""
    if scorer.is_dot:
        return 0  # kept whatever they are
    return scorer.n_items * (scorer.layers[0].bias.size + 4 * scorer.layers[1].bias.size)


def normal(seed: int, *shape: int, deviation: float = 1.0) -> F32:
    """Gaussian numbers; more rows of a seed begin with those of fewer."""
    return np.random.default_rng(seed).standard_normal(shape, np.float32) * np.float32(deviation)


USER_SEED, ITEM_SEED, LAYER_SEED = 1, 2, 3
"""So that more items are the same items and others, behind the same layers."""


def dot(point: Point) -> PairScorer:
    """Two random vectors."""
    return PairScorer(normal(USER_SEED, point.users, point.k), normal(ITEM_SEED, point.items, point.k))


def layer(point: Point) -> PairScorer:
    """One hidden relu layer."""
    return relu(point, point.hidden)


def layers(point: Point) -> PairScorer:
    """Two hidden relu layers."""
    return relu(point, 128, 32)


def relu(point: Point, *widths: int) -> PairScorer:
    """Random weights that keep the variance from layer to layer."""
    sizes = (2 * LAYER_COLUMNS, *widths, 1)
    made = tuple(
        DenseLayer(
            normal(LAYER_SEED + 2 * n, a, b, deviation=a**-0.5),
            normal(LAYER_SEED + 2 * n + 1, b),
            "relu" if b != 1 else "linear",
        )
        for n, (a, b) in enumerate(pairwise(sizes))
    )
    user, item = (normal(s, n, LAYER_COLUMNS) for s, n in ((USER_SEED, point.users), (ITEM_SEED, point.items)))
    return PairScorer(user, item, layers=made)


def seen_lists(point: Point) -> tuple[I64, I32]:
    """For each user the same number of different items, ascending: offsets and items."""
    seen = min(point.seen, point.items // 2)
    step = point.items // max(seen, 1)
    first = np.arange(point.users, dtype=np.int32) % max(step, 1)
    items = (first[:, None] + step * np.arange(seen, dtype=np.int32)).astype(np.int32)
    return np.arange(point.users + 1, dtype=np.int64) * seen, items.reshape(-1)


def calls(n_users: int) -> Iterator[I32]:
    """The users, as many at once as in a Spark task."""
    for start in range(0, n_users, USERS_IN_A_CALL):
        yield np.arange(start, min(start + USERS_IN_A_CALL, n_users), dtype=np.int32)


def lists(scorer: PairScorer, point: Point, kernel: Kernel) -> Contender:
    """Ours: everything but the coding of the items, which is told apart."""
    random = np.random.default_rng(1)
    variants: tuple[Flags, ...] = ()
    if point.variants > 1:
        # the first list is of all items, each other one of a part of them
        kinds = random.integers(1, point.variants, point.items)
        variants = (np.ones(point.items, np.bool_), *(kinds == v for v in range(1, point.variants)))
    segments = segment = None
    if point.segments:
        eligible = [np.flatnonzero(random.random(point.items) < 0.1).astype(np.int32) for _ in range(point.segments)]
        segments = Segments(np.cumsum([0, *map(len, eligible)]), np.concatenate(eligible))
        segment = random.integers(0, point.segments, point.users).astype(np.int32)
    candidates = np.arange(point.items, dtype=np.int32)
    offsets, items = seen_lists(point)
    start = time.perf_counter()
    prepared = prepare(scorer, candidates, variants=variants, segments=segments, kernel=kernel)

    def run(n_users: int) -> object:
        found = None
        for users in calls(n_users):
            found = prepared.top_n(
                users,
                seen_offsets=offsets[users[0] : users[-1] + 2],
                seen_items=items,
                n=point.n,
                segment=None if segment is None else segment[users],
            )
        return found

    # what is made for the first user is made for all
    run(1)
    return Contender(run, set_up=time.perf_counter() - start)


def sgemm(scorer: PairScorer) -> Contender:
    """Scores alone, 512 users at once, fewer where items are many."""
    item, at_once = np.ascontiguousarray(scorer.item.T), min(512, max(16, 20_000_000 // scorer.n_items))
    out = np.empty((at_once, scorer.n_items), np.float32)

    def run(n_users: int) -> object:
        for start in range(0, n_users, at_once):
            rows = scorer.user[start : min(start + at_once, n_users)]
            np.matmul(rows, item, out=out[: len(rows)])
        return out

    return Contender(run)


def implicit(scorer: PairScorer, n: int) -> Contender | None:
    """implicit's top-k, if it is installed."""
    try:
        from implicit.cpu.topk import topk
    except ImportError:
        return None

    def run(n_users: int) -> object:
        return topk(scorer.item, scorer.user[:n_users], min(n, scorer.n_items), num_threads=1)

    return Contender(run)


if __name__ == "__main__":
    main()
