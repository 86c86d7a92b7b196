"""Rows a second of training, ours beside what a notebook does with the same Keras network: `fit` on numpy arrays.

    ./.venv/bin/python benchmarks/training_speed.py [--data FOLDER] [--rows 20000000] [--epochs 1]

Two networks, each trained both ways in one run, on whatever cores there are:

- a dot product of 64 columns with biases on 90 % of MovieLens 1M (split by scikit-learn, seed 42): `fit` with its
  defaults at batches of 64 and 1,024, and `Trainer` at 1,024; then seconds until `Trainer` reaches a test MSE of 0.72;
- the preset movielens-20m-mlp on generated ratings in MovieLens 20M's shape with a known noise floor: `fit` with its
  defaults and the preset's batch, on a part of the rows, and `Trainer` on all of them; then the share of the
  explainable variance that it has learned.

The first epoch, or the first steps, of `fit` are left out: they hold the tracing. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

import numpy as np  # noqa: E402 - found beside this file
import pandas as pd  # noqa: E402

from benchmarks.generated_ratings import generate  # noqa: E402
from recsys_spark import config  # noqa: E402
from recsys_spark.models.model import Model  # noqa: E402
from recsys_spark.models.registry import model_for  # noqa: E402
from recsys_spark.models.settings import DotSettings  # noqa: E402
from recsys_spark.models.sides import Sides  # noqa: E402
from recsys_spark.settings import Settings  # noqa: E402
from recsys_spark.training.epochs import FitNews  # noqa: E402
from recsys_spark.training.feed import TrainingRows  # noqa: E402
from recsys_spark.training.fit import Trainer, load_keras  # noqa: E402
from recsys_spark.training.fitted import Fitted  # noqa: E402
from recsys_spark.training.settings import TrainingSettings  # noqa: E402

SGD = {"optimizer": "sgd", "learning_rate": 25.0, "schedule": "cosine", "epochs": 14}
"""With a mean as the loss, a step of 1,024 rows needs about 1,024 times the learning rate of a single row."""


def main() -> None:
    """Run both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("RECSYS_TEST_DATA", "../shared/data"))
    parser.add_argument("--rows", type=int, default=20_000_000, help="generated ratings; 0: leave that out")
    parser.add_argument("--epochs", type=int, default=1, help="of our fit on them")
    given = parser.parse_args()
    load_keras()
    result: dict[str, Any] = {"cores": os.cpu_count()}
    ratings = given.data / "ml-1m" / "ratings.dat.gz"
    if ratings.exists():
        result["dot 64, MovieLens 1M"] = dot_product(ratings)
    else:
        print(f"NOT RUN: MovieLens 1M: there is no {ratings}", file=sys.stderr)
    if given.rows:
        result["movielens-20m-mlp, generated"] = wide_layer(given.rows, given.epochs)
    print(json.dumps(result))


def dot_product(file: Path) -> dict[str, Any]:
    """Both ways on MovieLens 1M."""
    train, test, sides = movielens(file)
    model = model_for(DotSettings(embedding_size=64, l2=0.06))
    found: dict[str, Any] = {}
    for batch in (64, 1024):
        part = train if batch > 64 else first(train, 200_000)
        found[f"fit, adam, batch {batch}"] = by_fit(model, sides, part, "adam", batch)
    for name, settings in (
        ("Trainer, adam, batch 1024", TrainingSettings(epochs=4, learning_rate=0.003, xla=True)),
        ("Trainer, sgd, batch 1024", TrainingSettings(**SGD, target="centred")),
    ):
        found[name], _ = by_trainer(model, sides, train, settings)
    found["ratio to fit at 1024"] = found["Trainer, sgd, batch 1024"] / found["fit, adam, batch 1024"]
    found["seconds to test MSE 0.72"] = seconds_to(0.72, model, sides, train, test)
    told(found)
    return found


def wide_layer(n_rows: int, epochs: int) -> dict[str, Any]:
    """Both ways on generated ratings."""
    import keras

    settings = config.load(Settings, [PROJECT / "conf" / f"{name}.yaml" for name in ("base", "movielens-20m-mlp")])
    generated = generate(n_rows, seed=0)
    held_out = np.random.default_rng(1).random(n_rows) < 0.05
    train, test = (
        TrainingRows(generated.user[x], generated.item[x], generated.rating[x], np.zeros(x.sum(), np.uint8))
        for x in (~held_out, held_out)
    )
    sides = Sides(int(generated.user.max()) + 1, int(generated.item.max()) + 1)
    model, training = model_for(settings.model), settings.training
    sgd = keras.optimizers.SGD(training.learning_rate, momentum=training.momentum)
    found: dict[str, Any] = {"rows": n_rows}
    found["fit, batch 1024"] = by_fit(model, sides, first(train, 2_000_000), sgd, training.batch_size)
    shorter = training.model_copy(update={"epochs": epochs})
    found["Trainer, batch 1024"], fitted = by_trainer(model, sides, train, shorter)
    found["ratio"] = found["Trainer, batch 1024"] / found["fit, batch 1024"]
    found["seconds an epoch of 20 M rows"] = 20_000_000 / found["Trainer, batch 1024"]
    mse = error(fitted, test)
    found |= {"epochs": epochs, "test MSE": mse, "noise variance": generated.noise_variance}
    found["share of the explainable variance"] = generated.share_explained(mse)
    told(found)
    return found


def by_fit(model: Model, sides: Sides, rows: TrainingRows, optimizer: Any, batch: int) -> float:
    """Rows a second of Keras' `fit` as it comes: numpy arrays, defaults; the second of two epochs."""
    import keras

    keras.utils.set_random_seed(0)
    network = model.build(sides)
    network.compile(optimizer, "mse")
    pairs, targets = {"user": rows.user, "item": rows.item}, rows.rating - rows.rating.mean()
    begun = [0.0]
    clock = keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: begun.append(time.perf_counter()))
    network.fit(pairs, targets, batch_size=batch, epochs=2, verbose=0, callbacks=[clock])
    return len(rows) / (time.perf_counter() - begun[-1])


def by_trainer(model: Model, sides: Sides, rows: TrainingRows, settings: TrainingSettings) -> tuple[float, Fitted]:
    """Rows a second of our fit: the best epoch, as the first one holds the tracing."""
    fitted = Trainer(model, settings, lambda _: sides).fit("evaluated", rows, epochs=settings.epochs)
    return max(epoch.rows_per_second for epoch in fitted.history), fitted


def seconds_to(mse: float, model: Model, sides: Sides, rows: TrainingRows, test: TrainingRows) -> float | None:
    """Seconds of training, all in, until the test MSE is reached; none: never."""
    start, reached = time.perf_counter(), []

    def watch(news: FitNews) -> None:
        if news.what == "epoch" and news.val_mse is not None and news.val_mse <= mse:
            reached.append(time.perf_counter() - start)

    settings = TrainingSettings(**SGD, target="centred", early_stopping=None)
    trainer = Trainer(model, settings, lambda _: sides, watcher=watch)
    trainer.fit("evaluated", rows, epochs=settings.epochs, validation=test)
    return reached[0] if reached else None


def movielens(file: Path) -> tuple[TrainingRows, TrainingRows, Sides]:
    """MovieLens 1M as 90 % and 10 %."""
    from sklearn.model_selection import train_test_split

    names = ["user", "item", "rating", "timestamp"]
    table = pd.read_csv(file, sep="::", engine="python", names=names)
    user, item = (pd.factorize(table[side], sort=True)[0].astype(np.int32) for side in ("user", "item"))
    rating = table.rating.to_numpy(np.float32)
    train, test = (
        TrainingRows(user[x], item[x], rating[x], np.zeros(len(x), np.uint8))
        for x in train_test_split(np.arange(len(table)), test_size=0.1, random_state=42)
    )
    return train, test, Sides(int(user.max()) + 1, int(item.max()) + 1)


def first(rows: TrainingRows, n: int) -> TrainingRows:
    """At most n of some rows, from all over them."""
    step = max(1, len(rows) // n)
    columns = (rows.user, rows.item, rows.rating, rows.part)
    return TrainingRows(*(np.ascontiguousarray(column[::step][:n]) for column in columns))


def error(fitted: Fitted, rows: TrainingRows) -> float:
    """Mean squared error."""
    predicted = fitted.scorers()["main"].score(rows.user, rows.item)
    return float(np.mean((predicted - rows.rating) ** 2, dtype=np.float64))


def told(found: dict[str, Any]) -> None:
    """Show the figures as lines."""
    for name, value in found.items():
        print(f"{name:40} {value:,.4g}" if isinstance(value, float) else f"{name:40} {value}", file=sys.stderr)


if __name__ == "__main__":
    main()
