"""Rows fed from memory and by shuffled blocks from disk: speed, test error and peak memory, side by side in one run.

    ./.venv/bin/python benchmarks/shuffled_blocks.py [--ratings 4000000] [--block-rows 250000] [--seeds 3] [--epochs 4]

The same dot product with biases is fitted to the same generated ratings (`generated_ratings.py`), 90 % of them, both
ways in turn, each fit in a process of its own. Memory is what the process itself holds at its peak (not the pages of
memory-mapped files, which the system takes back when it likes) beyond what it held before it read the first row. Rows
by second are those of a median epoch but the first, which compiles. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.generated_ratings import Generated, generate
from recsys_spark.models.dot import Dot
from recsys_spark.models.settings import DotSettings
from recsys_spark.models.sides import Sides
from recsys_spark.training.feed import PARTS, EpochOrder, TrainingRows, dataset, read_rows
from recsys_spark.training.fit import load_keras
from recsys_spark.training.target import TargetScaling

MEMORY, BLOCKS = "memory", "blocks"
TEST_SHARE = 0.1
BATCH = 1024
MIB = 1 << 20


class OwnMemory(threading.Thread):
    """Watches what this process itself holds (Linux)."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.at_first = self.peak = self.now()
        self.start()

    def run(self) -> None:
        """Look every few milliseconds."""
        while True:
            self.peak = max(self.peak, self.now())
            time.sleep(0.003)

    @staticmethod
    def now() -> int:
        """Bytes that are not pages of a file."""
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def store(made: Generated, file: Path) -> None:
    """Write ratings as a training set, a random tenth of them for the test."""
    part = np.where(np.random.default_rng(1).random(len(made.rating)) < TEST_SHARE, PARTS.index("test"), 0)
    parts = pa.DictionaryArray.from_arrays(pa.array(part, pa.int32()), pa.array(PARTS))
    pq.write_table(pa.table({"user": made.user, "item": made.item, "rating": made.rating, "part": parts}), file)


def fit(file: Path, place: str, *, sides: Sides, seed: int, epochs: int, block_rows: int) -> dict[str, Any]:
    """One fit in this process."""
    keras = load_keras()
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    # the first tensor loads what TensorFlow needs whatever the data
    tf.random.stateless_uniform([1000], [1, 2])
    memory = OwnMemory()
    with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
        start = time.perf_counter()
        rows = read_rows([str(file)], scratch=Path(scratch) if place == BLOCKS else None)
        train, test = rows.select("train"), rows.select("test")
        del rows
        target = TargetScaling.of(train.rating, "centred")
        order = EpochOrder(seed)
        batches = dataset(train, target.transform, batch_size=BATCH, order=order, block_rows=block_rows)
        prepared = time.perf_counter()
        network = compiled(keras, sides, steps=epochs * len(batches))
        ends = [time.perf_counter()]
        follow = keras.callbacks.LambdaCallback(
            on_epoch_begin=order.begin, on_epoch_end=lambda *_: ends.append(time.perf_counter())
        )
        network.fit(batches, epochs=epochs, shuffle=False, verbose=0, callbacks=[follow])
        peak = memory.peak - memory.at_first
        return {
            "prepare_s": prepared - start,
            "rows_per_s": len(train) / median(np.diff(ends)[1:]),
            "test_mse": error(network, test, target),
            "peak_mib": peak / MIB,
        }


def compiled(keras: Any, sides: Sides, *, steps: int) -> Any:
    """A fresh dot product that is fast to train."""
    network = Dot(DotSettings(embedding_size=16, l2=0.02)).build(sides)
    rate = keras.optimizers.schedules.CosineDecay(0.004, decay_steps=steps)
    network.compile(keras.optimizers.Adam(rate), loss="mse", steps_per_execution=64, jit_compile=True)
    return network


def error(network: Any, test: TrainingRows, target: TargetScaling) -> float:
    """Mean squared error in rating units."""
    pairs = {"user": np.asarray(test.user), "item": np.asarray(test.item)}
    predicted = target.ratings(network.predict(pairs, batch_size=8192, verbose=0))
    return float(np.mean((predicted.astype(np.float64) - test.rating) ** 2))


def fit_apart(file: Path, place: str, seed: int, options: argparse.Namespace, made: Generated) -> dict[str, Any]:
    """One fit in a process of its own."""
    users, items = int(made.user.max()) + 1, int(made.item.max()) + 1
    command = [sys.executable, __file__, "--one", str(file), place, str(users), str(items), str(seed)]
    command += ["--epochs", str(options.epochs), "--block-rows", str(options.block_rows)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"seed {seed}, {place}: " + ", ".join(f"{name} {value:,.4g}" for name, value in figures.items()), flush=True)
    return figures


def report(fits: dict[str, list[dict[str, Any]]], made: Generated, options: argparse.Namespace) -> None:
    """The table, then everything as one line."""
    mean = {place: {name: fmean(one[name] for one in some) for name in some[0]} for place, some in fits.items()}
    spread = {place: stdev(one["test_mse"] for one in some) for place, some in fits.items()}
    ratio = {name: mean[BLOCKS][name] / mean[MEMORY][name] for name in mean[MEMORY]}
    print(f"\n{'':12} {MEMORY:>12} {BLOCKS:>12} {'ratio':>8}")
    for name in mean[MEMORY]:
        print(f"{name:12} {mean[MEMORY][name]:12,.6g} {mean[BLOCKS][name]:12,.6g} {ratio[name]:8.4f}")
    print(f"{'spread':12} {spread[MEMORY]:12.6f} {spread[BLOCKS]:12.6f}  of test_mse over seeds (standard deviation)")
    share = {place: made.share_explained(mean[place]["test_mse"]) for place in mean}
    print(f"{'explained':12} {share[MEMORY]:12.4f} {share[BLOCKS]:12.4f}  of the variance that can be explained")
    size = {"ratings": len(made.rating), "block_rows": options.block_rows, "epochs": options.epochs}
    print(json.dumps(size | {"mean": mean, "ratio": ratio, "spread_of_test_mse": spread, "explained": share}))


def main() -> None:
    """Fit both ways for each seed, in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--ratings", type=int, default=4_000_000, help="to generate (default: %(default)s)")
    parser.add_argument("--block-rows", type=int, default=250_000, help="of a block (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="fits each way, at least 2 (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=4, help="of a fit, at least 2 (default: %(default)s)")
    parser.add_argument("--one", nargs=5, metavar=("FILE", "PLACE", "USERS", "ITEMS", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        file, place, users, items, seed = options.one
        sides = Sides(int(users), int(items))
        size = {"epochs": options.epochs, "block_rows": options.block_rows}
        print(json.dumps(fit(Path(file), place, sides=sides, seed=int(seed), **size)))
        return
    made = generate(options.ratings)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ratings.parquet"
        store(made, file)
        fits: dict[str, list[dict[str, Any]]] = {MEMORY: [], BLOCKS: []}
        for seed in range(1, options.seeds + 1):
            for place in fits:
                fits[place].append(fit_apart(file, place, seed, options, made))
    report(fits, made, options)


if __name__ == "__main__":
    main()
