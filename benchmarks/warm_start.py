"""Epochs of a cold and of a warm start on a second night, to the same error on validation.

    ./.venv/bin/python benchmarks/warm_start.py [--data FOLDER] [--seeds 3] [--only CASE ...] [--out FILE]

Night 1 has the older 95 % of MovieLens 100K by timestamp, night 2 all of it, with users and items that night 1 did not
know. A row's part depends on its user and item alone, so it is the same on both nights. The fit that is measured is
`validated`: fitted to the train part, measured on the validation part after each epoch. The cold one runs the preset's
epochs, the warm one starts from night 1's and runs half of them at most (`training.warm_epochs`). The last line is one
JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

import numpy as np  # noqa: E402 - found beside this file
import pandas as pd  # noqa: E402

from recsys_spark import config  # noqa: E402
from recsys_spark.models.registry import model_for  # noqa: E402
from recsys_spark.models.sides import Sides  # noqa: E402
from recsys_spark.models.warm import Weights  # noqa: E402
from recsys_spark.settings import Settings  # noqa: E402
from recsys_spark.training.feed import TrainingRows  # noqa: E402
from recsys_spark.training.fit import Trainer  # noqa: E402
from recsys_spark.training.fitted import Fitted  # noqa: E402

FIRST_NIGHT, VALIDATION, TEST = 0.95, 0.1, 0.1
"""Shares of the rows."""

CASES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "dot, early stopping": (("movielens-100k",), ("training.schedule=constant", "training.early_stopping=2")),
    "dot, cosine": (("movielens-100k",), ()),
    "mlp with dropout": (("movielens-100k-dropout",), ()),
    "classifier": (
        ("movielens-100k",),
        (
            "model={name: classifier, embedding_size: 32, layers: [32], dropout: 0.3, l2: 0}",
            "training.schedule=constant",
            "training.early_stopping=2",
            "training.learning_rate=0.001",
        ),
    ),
    "posterior-mf": (("movielens-100k", "posterior-mf"), ()),
}


def main() -> None:
    """Run the cases and print what each needed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("RECSYS_TEST_DATA", "../shared/data"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    first, second, sizes = nights(given.data / "ml-100k" / "u.data.gz")
    result: dict[str, Any] = {"rows": [len(first), len(second)], "sizes": sizes, "cases": {}}
    for name, (files, overrides) in CASES.items():
        if given.only and name not in given.only:
            continue
        paths = [PROJECT / "conf" / f"{file}.yaml" for file in ("base", *files)]
        settings = config.load(Settings, paths, list(overrides))
        runs = [measured(settings, first, second, sizes, seed=42 + run) for run in range(given.seeds)]
        result["cases"][name] = runs
        print(f"{name:22} {told(runs)}", file=sys.stderr, flush=True)
        if given.out:
            given.out.write_text(json.dumps(result) + "\n")
    print(json.dumps(result))


def nights(file: Path) -> tuple[TrainingRows, TrainingRows, list[list[int]]]:
    """The rows of both nights in the order that the product trains in, and how many users and items each has."""
    table = pd.read_csv(file, sep="\t", names=["user", "item", "rating", "time"]).sort_values(
        ["time", "user", "item"], kind="stable"
    )
    # indices in the order of first sight: those of night 1 are the first ones of night 2
    user, item = (pd.factorize(table[side])[0].astype(np.int32) for side in ("user", "item"))
    draw = np.random.default_rng(1).random((user.max() + 1, item.max() + 1))[user, item]
    part = np.where(draw < TEST, 2, np.where(draw < TEST + VALIDATION, 1, 0)).astype(np.uint8)
    rows, sizes = [], []
    for n in (int(FIRST_NIGHT * len(table)), len(table)):
        order = np.lexsort((item[:n], user[:n]))
        columns = (user[:n], item[:n], table.rating.to_numpy(np.float32)[:n], part[:n])
        rows.append(TrainingRows(*(column[order] for column in columns)))
        sizes.append([int(user[:n].max()) + 1, int(item[:n].max()) + 1])
    return rows[0], rows[1], sizes


def measured(
    settings: Settings, first: TrainingRows, second: TrainingRows, sizes: list[list[int]], *, seed: int
) -> dict[str, Any]:
    """One seed of one case."""
    training = settings.training.model_copy(update={"seed": seed})

    def fit(rows: TrainingRows, night: int, start: Weights | None = None) -> Fitted:
        trainer = Trainer(model_for(settings.model), training, lambda _: Sides(*sizes[night]))
        trainer = trainer.warm() if start is not None else trainer
        validation, epochs = rows.select("validation"), trainer.settings.epochs
        return trainer.fit("validated", rows.select("train"), epochs=epochs, validation=validation, start=start)

    before = fit(first, 0)
    cold, warm = fit(second, 1), fit(second, 1, before.learned())
    errors = [result.val_mse for result in cold.history]
    reached = errors[cold.epochs - 1]
    assert reached is not None
    return {
        "cold_epochs": cold.epochs,
        "cold_mse": reached,
        "warm_epochs_to_it": next(
            (result.epoch for result in warm.history if result.val_mse is not None and result.val_mse <= reached), None
        ),
        "warm_epochs": warm.epochs,
        "warm_mse": warm.history[warm.epochs - 1].val_mse,
        "cold_history": errors,
        "warm_history": [result.val_mse for result in warm.history],
    }


def told(runs: list[dict[str, Any]]) -> str:
    """All seeds in one line."""
    needed = [run["warm_epochs_to_it"] for run in runs]
    return (
        f"cold: MSE {mean(runs, 'cold_mse'):.4f} after {mean(runs, 'cold_epochs'):.1f} epochs; "
        f"warm: that after {', '.join('never' if n is None else str(n) for n in needed)}, "
        f"MSE {mean(runs, 'warm_mse'):.4f} after {mean(runs, 'warm_epochs'):.1f}"
    )


def mean(runs: list[dict[str, Any]], what: str) -> float:
    """Of a figure over the seeds."""
    return statistics.mean(run[what] for run in runs)


if __name__ == "__main__":
    main()
