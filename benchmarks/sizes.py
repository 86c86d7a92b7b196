"""The kernels on models of real ratings, from small to middling: all users, seen items left out, on one core.

    RECSYS_TEST_DATA=FOLDER ./.venv/bin/python benchmarks/sizes.py [--only NAME ...] [--rounds 5] [--out FILE]

MovieLens 100K (943 x 1,682), MovieLens 1M (6,040 x 3,706) and goodbooks-10k of Kaggle (53,424 x 10,000); on each a dot
product of 64 columns and one layer of 1,024 units are trained for a few epochs, and the ten best unseen items of every
user are found, beside the peers of `benchmarks/kernels.py` (who leave nothing out): a bare sgemm, implicit, faiss, a
plain numba loop and Keras' `predict` on a few users. A data set that is not there is named and left out. Everything
runs on one core, in turns; the medians of the rounds are told, in pairs a second. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[threads] = "1"

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

import numpy as np  # noqa: E402 - after the number of threads is set

from benchmarks.kernels import Case, cpu_name, lists, ours, peers  # noqa: E402
from benchmarks.rating_error import READERS  # noqa: E402
from benchmarks.turns import on_one_core, seconds_in_turns, tell  # noqa: E402
from recsys_spark import artifact  # noqa: E402
from recsys_spark.kernels.arrays import F32, I32  # noqa: E402
from recsys_spark.kernels.cpu import byte_lanes  # noqa: E402
from recsys_spark.manifest import Description  # noqa: E402

DATA = {"MovieLens 100K": "ml-100k", "MovieLens 1M": "ml-1m", "goodbooks-10k": "goodbooks"}
"""What the table calls it, and `rating_error.py`."""

MODELS = ("dot 64", "layers 1024")


@dataclass(frozen=True, eq=False)
class Ratings:
    """Dense indices, sorted by user and item."""

    user: I32
    item: I32
    rating: F32


def main() -> None:
    """Measure every data set that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("RECSYS_TEST_DATA", "../shared/data"))
    parser.add_argument("--only", nargs="+", choices=list(DATA), default=list(DATA))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    given = parser.parse_args()
    cases: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        trained = {name: train_apart(name, given.data, given.epochs, Path(scratch) / name) for name in given.only}
        on_one_core()
        limit_keras()
        for name, ratings in trained.items():
            for model in MODELS if ratings else ():
                case = stored(f"{name}, {model}", ratings, Path(scratch) / name / model)
                cases[case.name] = measured(case, given.rounds)
    machine = f"{cpu_name()}, one core, {byte_lanes()} lanes of 8-bit products"
    figures = {"machine": machine, "epochs": given.epochs, "cases": cases}
    if given.out:
        given.out.write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures))


def train_apart(name: str, data: Path, epochs: int, folder: Path) -> Ratings | None:
    """Train with all cores in a process of its own: what it starts must not run beside the measurement."""
    try:
        user, item, rating = READERS[DATA[name]](data)
    except FileNotFoundError as error:
        tell(f"NOT RUN: {name}: there is no {error.filename} (RECSYS_TEST_DATA names the folder of the data sets)")
        return None
    order = np.lexsort((item, user))
    ratings = Ratings(user[order], item[order], rating[order])
    process = multiprocessing.get_context("spawn").Process(target=train, args=(ratings, epochs, folder))
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(f"training on {name} failed with exit code {process.exitcode}")
    return ratings


def train(ratings: Ratings, epochs: int, folder: Path) -> None:
    """A few epochs of each network, stored."""
    from recsys_spark.models.registry import model_for
    from recsys_spark.models.settings import DotSettings, MlpSettings
    from recsys_spark.models.sides import Sides
    from recsys_spark.training.fit import Trainer
    from recsys_spark.training.rows import TrainingRows
    from recsys_spark.training.settings import TrainingSettings

    rows = TrainingRows(ratings.user, ratings.item, ratings.rating, np.zeros(len(ratings.user), np.uint8))
    sides = Sides(int(ratings.user.max()) + 1, int(ratings.item.max()) + 1)
    adam = TrainingSettings(epochs=epochs, batch_size=1024, learning_rate=0.005, early_stopping=None)
    sgd = adam.model_copy(update={"optimizer": "sgd", "learning_rate": 0.08, "momentum": 0.9})
    settings = ((DotSettings(embedding_size=64, l2=0.06), adam), (MlpSettings(embedding_size=10, layers=(1024,)), sgd))
    for name, (model, training) in zip(MODELS, settings, strict=True):
        tell(f"training {name} on {len(rows.user):,} ratings")
        fitted = Trainer(model_for(model), training, lambda _: sides).fit("evaluated", rows, epochs=epochs)
        made = artifact.Artefact(Description(model.name), {"published": fitted.scorers()})
        artifact.save(str(folder / name), made).rename(folder / name / "model")
        fitted.network.save(folder / name / "network.keras")


def limit_keras() -> None:
    """One thread, as everybody has."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def stored(name: str, ratings: Ratings, folder: Path) -> Case:
    """What `train` has left."""
    import keras

    scorer = artifact.load(str(folder / "model"))["main"]
    offsets = np.searchsorted(ratings.user, np.arange(scorer.n_users + 1)).astype(np.int64)
    return Case(name, scorer, offsets, ratings.item, keras.models.load_model(folder / "network.keras"))


def measured(case: Case, rounds: int) -> dict[str, Any]:
    """Pairs a second of every contender, and what ours takes to set up."""
    n_users, n_items = case.scorer.n_users, case.scorer.n_items
    users, runs = {}, {}
    for contender in [*ours(case, n_users), *peers(case)]:
        users[contender.name] = n = min(contender.users, n_users)
        runs[contender.name] = lambda run=contender.run, n=n: run(n)
    seconds = seconds_in_turns(runs, rounds)
    start = time.perf_counter()
    lists(case, 1, "auto")
    set_up = time.perf_counter() - start
    found: dict[str, Any] = {name: users[name] * n_items / taken for name, taken in seconds.items()}
    tell(f"\n{case.name}: {n_users:,} x {n_items:,}")
    for name, rate in found.items():
        tell(f"  {name:24} {rate / 1e6:10,.2f} M pairs/s   ours is {found['ours'] / rate:8.2f} x")
    tell(f"  all lists of ours {seconds['ours']:.2f} s, set-up {set_up:.2f} s")
    return found | {"set-up, seconds": set_up, "seconds": seconds["ours"], "users": n_users, "items": n_items}


if __name__ == "__main__":
    main()
