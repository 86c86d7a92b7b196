"""Pairs a second of the scoring kernels, ours beside what else scores all pairs, on one core.

    ./.venv/bin/python benchmarks/kernels.py [--users 20000] [--rounds 5] [--out docs/kernels.json]

The models are trained here, one epoch each, on generated ratings in MovieLens 20M's shape (138,493 x 26,744, see
`generated_ratings.py`), and the lists are those of the first users, ten entries, with their seen items left out; beside
them stand models of random numbers, for which bounds are hardest. Everything runs on one core, in turns: each round
runs every contender once, and the medians of the rounds are told.

Peers: Keras' `predict` (the best of three batch sizes), a plain numba loop over the same split first layer, a bare
sgemm of the same shape (no selection), implicit's top-k and faiss' flat index (neither leaves out seen items; the extra
`bench` installs both). A peer gets as many users as it needs for about a second. Ours always does the whole work:
coding the users, bounds, exact scores, lists. Set-up, that is coding the items, is told apart.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[threads] = "1"

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

import numba  # noqa: E402 - found beside this file
import numpy as np  # noqa: E402

from benchmarks.generated_ratings import Generated, generate  # noqa: E402
from recsys_spark import artifact  # noqa: E402
from recsys_spark.kernels.arrays import F32, I32, I64  # noqa: E402
from recsys_spark.kernels.cpu import byte_lanes  # noqa: E402
from recsys_spark.kernels.scorer import DenseLayer, PairScorer  # noqa: E402
from recsys_spark.kernels.top_n import prepare  # noqa: E402
from recsys_spark.manifest import Description  # noqa: E402

TOP_N = 10
TRAINED = ("dot 64", "layers 1024", "layers 128, 32")
PREDICT_BATCHES = (32, 8192, 65_536)


@dataclass(frozen=True)
class Contender:
    """One way of scoring.

    Args:
        name: for the table.
        users: it scores in a round.
        run: scores that many users against all items.
    """

    name: str
    users: int
    run: Callable[[int], object]


@dataclass(frozen=True, eq=False)
class Case:
    """One scorer, the seen items of its users, and, where it was trained, the Keras network."""

    name: str
    scorer: PairScorer
    seen_offsets: I64
    seen_items: I32
    network: Any = None


def main() -> None:
    """Measure every case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ratings", type=int, default=20_000_000, help="generated, to train on")
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    given = parser.parse_args()
    generated = generate(given.ratings, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        # with all cores, in a process of its own: what it starts must not run beside the measurement
        training = multiprocessing.get_context("spawn").Process(target=train, args=(generated, folder))
        training.start()
        training.join()
        if training.exitcode:
            sys.exit(f"training failed with exit code {training.exitcode}")
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        cases = all_cases(generated, Path(folder))
    figures: dict[str, Any] = {
        "machine": f"{cpu_name()}, one core, {byte_lanes()} lanes of 8-bit products",
        "cases": {case.name: measured(case, given.users, given.rounds) for case in cases},
    }
    if given.out:
        given.out.write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures))


def all_cases(generated: Generated, folder: Path) -> list[Case]:
    """Trained models first; then random ones of the same shapes."""
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    n_users, n_items = int(generated.user.max()) + 1, int(generated.item.max()) + 1
    seen = seen_of(generated, n_users)
    random = np.random.default_rng(0)

    def normal(*shape: int, deviation: float = 1.0) -> F32:
        return (random.standard_normal(shape) * deviation).astype(np.float32)

    def dot(k: int) -> PairScorer:
        return PairScorer(normal(n_users, k), normal(n_items, k), normal(n_users), normal(n_items))

    def relu(*widths: int) -> PairScorer:
        sizes = (20, *widths, 1)
        layers = tuple(
            DenseLayer(normal(a, b, deviation=a**-0.5), normal(b), "relu" if n < len(widths) else "linear")
            for n, (a, b) in enumerate(pairwise(sizes))
        )
        return PairScorer(normal(n_users, 10), normal(n_items, 10), layers=layers)

    trained = []
    for name in TRAINED:
        scorer = artifact.load(str(folder / name / "model"))["main"]
        trained.append(
            Case(f"{name}, trained", scorer, *seen, keras.models.load_model(folder / name / "network.keras"))
        )
    return [
        *trained,
        Case("dot 64, random", dot(64), *seen),
        Case("dot 10, random", dot(10), *seen),
        Case("layers 1024, random", relu(1024), *seen),
        Case("layers 128, 32, random", relu(128, 32), *seen),
    ]


def train(generated: Generated, folder: str) -> None:
    """One epoch of each network, stored."""
    from recsys_spark.models.registry import model_for
    from recsys_spark.models.settings import DotSettings, MlpSettings
    from recsys_spark.models.sides import Sides
    from recsys_spark.training.fit import Trainer
    from recsys_spark.training.rows import TrainingRows
    from recsys_spark.training.settings import TrainingSettings

    n = len(generated.user)
    rows = TrainingRows(generated.user, generated.item, generated.rating, np.zeros(n, np.uint8))
    sides = Sides(int(generated.user.max()) + 1, int(generated.item.max()) + 1)
    adam = TrainingSettings(epochs=1, batch_size=8192, learning_rate=0.005, early_stopping=None)
    sgd = adam.model_copy(update={"optimizer": "sgd", "learning_rate": 0.08, "momentum": 0.9, "batch_size": 1024})
    settings = (
        (DotSettings(embedding_size=64, l2=0.06), adam),
        (MlpSettings(embedding_size=10, layers=(1024,)), sgd),
        (MlpSettings(embedding_size=10, layers=(128, 32)), sgd),
    )
    for name, (model, training) in zip(TRAINED, settings, strict=True):
        print(f"training {name}", file=sys.stderr)
        fitted = Trainer(model_for(model), training, lambda _: sides).fit("evaluated", rows, epochs=1)
        stored = artifact.Artefact(Description(model.name), {"published": fitted.scorers()})
        artifact.save(str(Path(folder) / name), stored).rename(Path(folder) / name / "model")
        fitted.network.save(Path(folder) / name / "network.keras")


def seen_of(generated: Generated, n_users: int) -> tuple[I64, I32]:
    """What each user has rated: offsets and items; the ratings are sorted by both."""
    return np.searchsorted(generated.user, np.arange(n_users + 1)).astype(np.int64), generated.item


def measured(case: Case, n_users: int, rounds: int) -> dict[str, Any]:
    """Pairs a second of every contender, and what ours takes to set up."""
    contenders = [*ours(case, n_users), *peers(case)]
    n_items = case.scorer.n_items
    for contender in contenders:
        contender.run(1)  # compiles
    rates: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for _ in range(rounds):
        for contender in contenders:
            start = time.perf_counter()
            contender.run(contender.users)
            rates[contender.name].append(contender.users * n_items / (time.perf_counter() - start))
    found: dict[str, Any] = {name: statistics.median(values) for name, values in rates.items()}
    start = time.perf_counter()
    lists(case, 1, "auto")
    found["set-up, seconds"] = time.perf_counter() - start
    found["users"], found["items"] = contenders[0].users, n_items
    print(f"\n{case.name}", file=sys.stderr)
    for name, rate in found.items():
        if name in rates:
            ratio = found["ours"] / rate
            print(f"  {name:24} {rate / 1e6:10,.2f} M pairs/s   ours is {ratio:8.2f} x", file=sys.stderr)
    print(f"  set-up {found['set-up, seconds']:.2f} s", file=sys.stderr)
    return found


def lists(case: Case, n_users: int, kernel: Any, *, exclude_seen: bool = True) -> object:
    """Everything, from coding the items."""
    prepared = prepare(case.scorer, np.arange(case.scorer.n_items, dtype=np.int32), kernel=kernel)
    return run_lists(prepared, case, n_users, exclude_seen=exclude_seen)


def run_lists(prepared: Any, case: Case, n_users: int, *, exclude_seen: bool = True) -> object:
    """The lists of the first users, in the batches that a Spark task makes."""
    found = None
    for start in range(0, n_users, 1024):
        users = np.arange(start, min(start + 1024, n_users), dtype=np.int32)
        offsets = case.seen_offsets[start : start + len(users) + 1] if exclude_seen else np.zeros(len(users) + 1, int)
        found = prepared.top_n(users, seen_offsets=offsets, seen_items=case.seen_items, n=TOP_N)
    return found


def ours(case: Case, n_users: int) -> list[Contender]:
    """Our kernels, with items that are coded already."""
    candidates = np.arange(case.scorer.n_items, dtype=np.int32)
    screening, plain = prepare(case.scorer, candidates), prepare(case.scorer, candidates, kernel="plain")
    few = max(64, n_users // 50)
    return [
        Contender("ours", n_users, lambda n: run_lists(screening, case, n)),
        Contender("ours, nothing seen", n_users, lambda n: run_lists(screening, case, n, exclude_seen=False)),
        Contender("ours, plain", few, lambda n: run_lists(plain, case, n)),
    ]


def peers(case: Case) -> list[Contender]:
    """Whoever can score this case."""
    found = [*dot_peers(case.scorer)] if case.scorer.is_dot else [*layer_peers(case.scorer)]
    if case.network is not None:
        found += [
            Contender(f"Keras, batch {batch:,}", 1 if batch < 1000 else 20, predicting(case, batch))
            for batch in PREDICT_BATCHES
        ]
    return found


def predicting(case: Case, batch: int) -> Callable[[int], object]:
    """`predict` over all pairs of some users."""
    items = np.arange(case.scorer.n_items, dtype=np.int32)

    def run(n: int) -> object:
        pairs = {"user": np.repeat(np.arange(n, dtype=np.int32), len(items)), "item": np.tile(items, n)}
        return case.network.predict(pairs, batch_size=batch, verbose=0)

    return run


def dot_peers(scorer: PairScorer) -> list[Contender]:
    """BLAS alone, implicit and faiss; biases go in as two more columns."""
    ones = np.ones
    bias_u = scorer.user_bias if scorer.user_bias is not None else np.zeros(scorer.n_users, np.float32)
    bias_i = scorer.item_bias if scorer.item_bias is not None else np.zeros(scorer.n_items, np.float32)
    user = np.column_stack([scorer.user, bias_u, ones(scorer.n_users, np.float32)]).astype(np.float32)
    item = np.column_stack([scorer.item, ones(scorer.n_items, np.float32), bias_i]).astype(np.float32)
    plain_user, plain_item = scorer.user, np.ascontiguousarray(scorer.item.T)
    out = np.empty((512, scorer.n_items), np.float32)

    def sgemm(n: int) -> object:
        for start in range(0, n, 512):
            rows = plain_user[start : min(start + 512, n)]
            np.matmul(rows, plain_item, out=out[: len(rows)])
        return out

    found = [Contender("sgemm, no lists", 4096, sgemm)]
    try:
        from implicit.cpu.topk import topk

        found.append(Contender("implicit", 2048, lambda n: topk(item, user[:n], TOP_N, num_threads=1)))
    except ImportError:
        print("NOT RUN: implicit is not installed (the extra `bench`)", file=sys.stderr)
    try:
        import faiss

        faiss.omp_set_num_threads(1)
        index = faiss.IndexFlatIP(item.shape[1])
        index.add(item)
        found.append(Contender("faiss, flat", 2048, lambda n: index.search(user[:n], TOP_N)))
    except ImportError:
        print("NOT RUN: faiss is not installed (the extra `bench`)", file=sys.stderr)
    return found


def layer_peers(scorer: PairScorer) -> list[Contender]:
    """A plain numba loop that fuses the layers, without lists."""
    first, *_, last = scorer.layers
    k = scorer.user.shape[1]
    own = scorer.user[:1024] @ first.weight[:k] + first.bias
    other = scorer.item @ first.weight[k:]
    scores = np.empty(scorer.n_items, np.float32)
    if len(scorer.layers) == 2:
        weight = last.weight[:, 0].copy()
        return [Contender("numba, fused, no lists", 16, lambda n: _one_layer(own[:n], other, weight, scores))]
    second, weight = scorer.layers[1], last.weight[:, 0].copy()

    def run(n: int) -> object:
        return _two_layers(own[:n], other, second.weight, second.bias, weight, scores)

    return [Contender("numba, fused, no lists", 16, run)]


@numba.njit(fastmath=True, error_model="numpy")
def _one_layer(own, other, weight, scores):  # type: ignore[no-untyped-def]
    for u in range(len(own)):
        for i in range(len(other)):
            total = np.float32(0)
            for j in range(weight.size):
                unit = own[u, j] + other[i, j]
                total += weight[j] * (unit if unit > 0 else np.float32(0))
            scores[i] = total
    return scores


@numba.njit(fastmath=True, error_model="numpy")
def _two_layers(own, other, inner, bias, weight, scores):  # type: ignore[no-untyped-def]
    sums = np.empty(bias.size, np.float32)
    for u in range(len(own)):
        for i in range(len(other)):
            sums[:] = bias
            for j in range(own.shape[1]):
                unit = max(own[u, j] + other[i, j], np.float32(0))
                for m in range(bias.size):
                    sums[m] += unit * inner[j, m]
            total = np.float32(0)
            for m in range(bias.size):
                total += weight[m] * max(sums[m], np.float32(0))
            scores[i] = total
    return scores


def cpu_name() -> str:
    """As the system calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
