"""Writes docs/models.md from docs/models.json: `PYTHONPATH=. .venv/bin/python docs/make_models.py`.

`make models` measures first (`benchmarks/presets.py`) and then runs this.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

INTRODUCTION = """\
# The models

Written by `make models` from what it measured (`docs/models.json`); do not edit by hand.

Every model scores a pair as `score(u, i) = head(user[u], item[i])` and is exported to plain arrays
([architecture.md](architecture.md)). p and q are embeddings of the user u and the item i, b and c their biases, m the
mean of the ratings that a fit saw; f are features, where `items.features` or `users.features` name any.

Errors are in rating units, on the test part, which no fit and no choice of settings has seen. *MSE* and *MAE* are means
over seeds with the spread (standard deviation) behind them; the split is the same for all seeds. The interval is the
95 % bootstrap interval over users of the first seed: how far the figure would move with other users. *Validation* is
that of the fit on the train part alone. *mean*, *item mean* and *bias* are the baselines' test MSE (MAE where the model
learns by it), fitted on the same rows. Seconds and rows/s are those of one fit on train and validation, on a machine
that did other work besides; `benchmarks/training_speed.py` compares speeds.
"""


EPOCHS_OF_NIGHTS = ("cold_epochs", "warm_epochs_to_it", "warm_epochs")


@dataclass(frozen=True)
class Described:
    """What a person wants to know of a model before its figures."""

    title: str
    presets: tuple[str, ...]
    equation: str
    use: str


MODELS = (
    Described(
        "Dot product",
        ("goodbooks-dot", "anime-dot"),
        "m + p . q",
        "Plain matrix factorisation, `model.name: dot` with `biases: false`. With features, `p + f W` stands for p.",
    ),
    Described(
        "Matrix factorisation with biases",
        ("biased-mf",),
        "m + b + c + p . q, with L2 on the rows looked up",
        "The best plain recipe for rating error on any data, trained in seconds: `model.name: dot`. "
        "`conf/goodbooks.yaml`, `conf/movielens-100k.yaml` and `conf/movielens-1m.yaml` are this model as well.",
    ),
    Described(
        "Posterior mean of matrix factorisation",
        ("posterior-mf",),
        "m + E[b] + E[c] + E[p . q], the mean over samples of the posterior, compressed to one dot product",
        "The lowest rating error on MovieLens, at the price of a longer fit; scored as fast as any dot product. "
        "Samples come from stochastic-gradient Hamiltonian Monte Carlo. With `model.score_std: true` each row of "
        "`top_n` gets the standard deviation of its score.",
    ),
    Described(
        "Multilayer perceptron",
        ("goodbooks-mlp", "anime-mlp", "movielens-20m-mlp", "movielens-100k-dropout"),
        "m + dense(... dense(concat(p, q)))",
        "`model.name: mlp`: any number of dense layers, dropout for each, nine activations.",
    ),
    Described(
        "Hybrid with features",
        ("anime-hybrid",),
        "m + dense(... dense(concat(p, q, f)))",
        "The perceptron with what is known of users and items beside the embeddings: a new item is ranked before "
        "anyone has rated it.",
    ),
    Described(
        "Classifier of rating levels",
        ("anime-classifier",),
        "sum over levels l of l * softmax(dense(... concat(p, q, f)))_l",
        "`model.name: classifier`: a probability for each rating level. The score is the expected level; accuracy and "
        "the MAE of the most likely level are reported besides.",
    ),
)


def main() -> None:
    """Write the page."""
    figures = json.loads((HERE / "models.json").read_text())
    nights = json.loads((HERE / "warm_start.json").read_text())
    parts = [INTRODUCTION, *(section(model, figures) for model in MODELS), warm_starts(nights), sources(figures)]
    (HERE / "models.md").write_text("\n".join(parts))


def section(model: Described, figures: dict[str, Any]) -> str:
    """One model: what it is, and a row for each preset and data set."""
    lines = [f"## {model.title}\n", f"    score(u, i) = {model.equation}\n", f"{model.use}\n"]
    rows = [(key.split(" / ")[0], found) for key, found in figures.items() if key.split(" / ")[0] in model.presets]
    if rows:
        lines += table(
            (
                "preset",
                "data",
                "test MSE",
                "interval",
                "test MAE",
                "validation MSE",
                "mean, item mean, bias",
                "epochs",
                "seconds",
                "rows/s",
            ),
            (cells(preset, found) for preset, found in sorted(rows, key=lambda row: model.presets.index(row[0]))),
        )
        lines += remarks(rows)
    missing = [f"`{name}`" for name in model.presets if name not in {preset for preset, _ in rows}]
    if missing:
        lines.append(f"Not measured on this page: {', '.join(missing)}.\n")
    return "\n".join(lines)


def cells(preset: str, found: dict[str, Any]) -> tuple[str, ...]:
    """One row of a table."""
    low, high = found["intervals"].get("mse", (None, None))
    by = "mae" if preset.startswith("anime") else "mse"
    baselines = [f"{found['baseline'][name][by]:.3f}" for name in ("mean", "item_mean", "bias")]
    return (
        f"`{preset}`",
        found["data"],
        spread(found["test"]["mse"]),
        "" if low is None else f"{low:.4f} to {high:.4f}",
        spread(found["test"]["mae"]),
        f"{found['validation']['mse']:.4f}",
        ", ".join(baselines) + (" (MAE)" if by == "mae" else ""),
        str(found["epochs"]),
        f"{found['fit_seconds']:.0f}",
        f"{found['rows_per_second'] / 1e6:.2f} M",
    )


def remarks(rows: Iterable[tuple[str, dict[str, Any]]]) -> list[str]:
    """What only some models have."""
    lines = []
    for preset, found in rows:
        if "accuracy" in found["test"]:
            lines.append(
                f"`{preset}` on {found['data']}: accuracy {spread(found['test']['accuracy'])}, MAE of the most likely "
                f"level {spread(found['test']['mae_most_likely'])}.\n"
            )
        if "als" in found["baseline"]:
            lines.append(
                f"pyspark's ALS (rank 10, its own defaults) on {found['data']}, same rows: test MSE "
                f"{found['baseline']['als']['mse']:.4f}.\n"
            )
    return lines


def warm_starts(nights: dict[str, Any]) -> str:
    """How many epochs a warm start saves."""
    (first, second), ((users, items), (all_users, all_items)) = nights["rows"], nights["sizes"]
    lines = [
        "## Warm starts\n",
        f"`training.warm_start: true` on MovieLens 100K: night 1 has the older 95 % of the ratings ({first:,}, of "
        f"{users:,} users and {items:,} items), night 2 all of them ({second:,}, of {all_users:,} and {all_items:,}). "
        "Errors are those of the fit `validated` on the validation part, of which the weights that it starts from have "
        "seen nothing. *Reached after* is the first epoch of the warm fit whose error is at most that of the cold one "
        "at its end, *near it after* the first whose error is at most 0.5 % above it; cold starts of two seeds differ "
        "by 0.1 to 0.2 %. A warm fit runs half the epochs of the settings at most. One number for each seed "
        "(`benchmarks/warm_start.py`).\n",
        "Vectors start shortened (`training.warm_shrink`, 0.5; 0.25 for the perceptron): as they were, they would end "
        "worse than fresh ones. The sampler starts at the last mean and keeps a part of it (`model.carried`).\n",
    ]
    head = (
        "model",
        "cold: epochs",
        "cold: MSE",
        "warm: near it after",
        "warm: reached after",
        "warm: epochs",
        "warm: MSE",
    )
    rows = []
    for name, runs in nights["cases"].items():
        errors = [", ".join(f"{run[f'{start}_mse']:.4f}" for run in runs) for start in ("cold", "warm")]
        counts = [", ".join(str(run[key] or "never") for run in runs) for key in EPOCHS_OF_NIGHTS]
        near = ", ".join(str(first_near(run["warm_history"], 1.005 * run["cold_mse"])) for run in runs)
        rows.append((name, counts[0], errors[0], near, counts[1], counts[2], errors[1]))
    return "\n".join([*lines, *table(head, rows)])


def first_near(errors: list[float | None], bound: float) -> int | str:
    """The first epoch with an error of at most that; a sampler has one after some of its epochs only."""
    return next((n for n, error in enumerate(errors, start=1) if error is not None and error <= bound), "never")


def sources(figures: dict[str, Any]) -> str:
    """Where the figures come from."""
    lines = ["## Data, splits, commands\n"]
    rows = []
    for key, found in figures.items():
        files = " ".join(f"--config conf/{name}.yaml" for name in found["preset"])
        counts = found["counts"]
        rows.append(
            (
                key,
                f"{counts['ratings_accepted']:,} of {counts['ratings_read']:,}",
                found["split"],
                ", ".join(str(seed) for seed in found["seeds"]),
                " ".join([f"`{files}`", *(f"`--set {text}`" for text in found["overrides"])]),
                f"{found['measured_on']}, {found['machine']}",
            )
        )
    lines += table(("preset / data", "ratings accepted", "split", "seeds", "configuration", "measured on"), rows)
    lines.append(
        "Where the files of a data set lie is given with `--set source.path=...` and `--set items.path=...`; the head "
        "of each preset says how. `make models` tells the same in `benchmarks/presets.py`.\n"
    )
    return "\n".join(lines)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """A table in Markdown, with an empty line behind it."""
    return ["| " + " | ".join(cells) + " |" for cells in (head, ("---",) * len(head), *rows)] + [""]


def spread(values: list[float]) -> str:
    """Mean and standard deviation over seeds."""
    if len(values) < 2:
        return f"{values[0]:.4f}"
    return f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}"


if __name__ == "__main__":
    main()
