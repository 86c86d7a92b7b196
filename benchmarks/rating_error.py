"""Test errors on plain random splits, for comparison with other software on the very same rows.

    ./.venv/bin/python benchmarks/rating_error.py [--data FOLDER] [--seeds 3] [--only CASE ...]

Splits as notebooks make them: scikit-learn's `train_test_split` on the order of the file (MovieLens 100K 10 %,
seed 315; MovieLens 1M 10 %, seed 42; goodbooks-10k, Kaggle release, 20 %, seed 42, after the last of each duplicated
pair was kept). All else is the presets': their settings were chosen on validation parts, none by these figures. Each
model is fitted on everything outside the test part and measured once, after its last epoch. `docs/models.md` has the
same presets on the product's own split by a hash of the key. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

import numpy as np  # noqa: E402 - found beside this file
import numpy.typing as npt  # noqa: E402
import pandas as pd  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402

from recsys_spark import config  # noqa: E402
from recsys_spark.models.registry import model_for  # noqa: E402
from recsys_spark.models.sides import Sides  # noqa: E402
from recsys_spark.settings import Settings  # noqa: E402
from recsys_spark.training.feed import TrainingRows  # noqa: E402
from recsys_spark.training.fit import Trainer  # noqa: E402

SPLITS = {"goodbooks": (0.2, 42), "ml-100k": (0.1, 315), "ml-1m": (0.1, 42)}
"""Share of the test part, seed."""

CASES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "goodbooks-mlp": ("goodbooks", ("goodbooks-mlp",), ()),
    "goodbooks biased-mf": ("goodbooks", ("goodbooks", "biased-mf"), ()),
    "goodbooks posterior-mf": ("goodbooks", ("goodbooks", "posterior-mf"), ("model.embedding_size=8",)),
    "movielens-100k-dropout": ("ml-100k", ("movielens-100k-dropout",), ()),
    "ml-100k biased-mf": ("ml-100k", ("movielens-100k", "biased-mf"), ()),
    "ml-100k posterior-mf": ("ml-100k", ("movielens-100k", "posterior-mf"), ()),
    "ml-1m biased-mf": ("ml-1m", ("movielens-1m", "biased-mf"), ()),
    "ml-1m posterior-mf": ("ml-1m", ("movielens-1m", "posterior-mf"), ()),
}


def main() -> None:
    """Run the cases and print mean and spread."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("RECSYS_TEST_DATA", "../shared/data"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*")
    given = parser.parse_args()
    result: dict[str, Any] = {}
    for name, (data, files, overrides) in CASES.items():
        if given.only and name not in given.only:
            continue
        try:
            user, item, rating = READERS[data](given.data)
        except FileNotFoundError as error:
            print(f"NOT RUN: {name}: {error}", file=sys.stderr)
            continue
        share, seed = SPLITS[data]
        train, test = train_test_split(np.arange(len(rating)), test_size=share, random_state=seed)
        settings = config.load(
            Settings, [PROJECT / "conf" / f"{file}.yaml" for file in ("base", *files)], list(overrides)
        )
        errors, seconds = [], []
        for run in range(given.seeds):
            start = time.perf_counter()
            predicted = fitted(settings, user, item, rating, train, test, seed=settings.training.seed + run)
            seconds.append(time.perf_counter() - start)
            errors.append(float(np.mean((predicted - rating[test]) ** 2, dtype=np.float64)))
        spread = statistics.stdev(errors) if len(errors) > 1 else 0.0
        result[name] = {"mse": errors, "mean": statistics.mean(errors), "spread": spread, "seconds": seconds}
        mean = statistics.mean(errors)
        print(f"{name:26} test MSE {mean:.4f} +- {spread:.4f}, {min(seconds):.0f} s a fit", file=sys.stderr, flush=True)
    print(json.dumps(result))


def fitted(
    settings: Settings,
    user: npt.NDArray[np.int32],
    item: npt.NDArray[np.int32],
    rating: npt.NDArray[np.float32],
    train: npt.NDArray[np.int64],
    test: npt.NDArray[np.int64],
    *,
    seed: int,
) -> npt.NDArray[np.float32]:
    """What a fit on some rows predicts for others."""
    # the order that the product itself trains in
    train = train[np.lexsort((item[train], user[train]))]
    rows = TrainingRows(user[train], item[train], rating[train], np.zeros(len(train), np.uint8))
    sides = Sides(int(user.max()) + 1, int(item.max()) + 1)
    training = settings.training.model_copy(update={"seed": seed})
    done = Trainer(model_for(settings.model), training, lambda _: sides).fit("evaluated", rows, epochs=training.epochs)
    return done.scorers()["main"].score(user[test], item[test])


def goodbooks(data: Path) -> tuple[Any, Any, Any]:
    """The last of each duplicated pair, in the order of the file."""
    table = pd.read_csv(data / "goodbooks-10k-kaggle" / "ratings.csv.gz")
    kept = table.drop_duplicates(["user_id", "book_id"], keep="last")
    return columns(kept.user_id, kept.book_id, kept.rating)


def movielens_100k(data: Path) -> tuple[Any, Any, Any]:
    """All rows."""
    table = pd.read_csv(data / "ml-100k" / "u.data.gz", sep="\t", names=["user", "item", "rating", "time"])
    return columns(table.user, table["item"], table.rating)


def movielens_1m(data: Path) -> tuple[Any, Any, Any]:
    """All rows."""
    names = ["user", "item", "rating", "time"]
    table = pd.read_csv(data / "ml-1m" / "ratings.dat.gz", sep="::", names=names, engine="python")
    return columns(table.user, table["item"], table.rating)


def columns(user: Any, item: Any, rating: Any) -> tuple[Any, Any, Any]:
    """Dense indices in the order of the ids, and ratings."""
    dense = (pd.factorize(side, sort=True)[0].astype(np.int32) for side in (user, item))
    return (*dense, rating.to_numpy(np.float32))


READERS = {"goodbooks": goodbooks, "ml-100k": movielens_100k, "ml-1m": movielens_1m}


if __name__ == "__main__":
    main()
