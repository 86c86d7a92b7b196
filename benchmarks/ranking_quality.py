"""How well the models for ranking rank, beside their peers: the figures of `docs/ranking.md`.

    ./.venv/bin/python benchmarks/ranking_quality.py --data FOLDER [--tune 20 [--again]] [--only PART ...] [--seeds 3]

| part | what |
| --- | --- |
| peers | NDCG@10 on MovieLens 1M, ours and peers', each with its settings |
| width | the same against the number of columns, ours and ALS |
| goodbooks | NDCG@10 on goodbooks-10k with 256 columns, ours and ALS |
| seconds | time of ALS, and of ours until it ranks as well |
| folded | users who were left out of training and folded in, relative to users in training |

| joint | the same of the model with ratings, whose weight of their vectors is chosen by their error |

A fifth of each user's ratings is held out, the same for all. Settings are chosen on a fifth of the rest: `--tune`
searches what has not been searched yet, as many trials for each, or all `--again`; what was found is kept in the
figures. Needs the extra `bench`. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

import numpy as np  # noqa: E402 - found beside this file
from scipy import stats  # noqa: E402

from benchmarks.ranked_data import F64, LIKED_AT, Scores, Split, load, ndcg  # noqa: E402
from benchmarks.ranking_peers import PEERS, SEEDED  # noqa: E402
from recsys_spark import config  # noqa: E402
from recsys_spark.kernels.scorer import PairScorer  # noqa: E402
from recsys_spark.models.folds import Histories, fold_of, history_scorer  # noqa: E402
from recsys_spark.models.registry import model_for  # noqa: E402
from recsys_spark.models.sides import Sides  # noqa: E402
from recsys_spark.models.softmax import HISTORY  # noqa: E402
from recsys_spark.settings import Settings  # noqa: E402
from recsys_spark.training.fit import Trainer, load_keras  # noqa: E402
from recsys_spark.training.fitted import Fitted  # noqa: E402
from recsys_spark.training.rows import TrainingRows  # noqa: E402

FIGURES = PROJECT / "docs" / "ranking.json"
PARTS = ("joint", "peers", "width", "goodbooks", "seconds", "folded")
TURNS = 3
RATING_L2 = (0.045, 0.06, 0.08, 0.1, 0.13)
WIDTHS = (16, 32, 64, 96, 128, 192)

Draw = Callable[[Any], dict[str, Any]]
"""From a trial of optuna to settings."""


@dataclass(frozen=True)
class Preset:
    """A configuration that is shipped, and what of it a search may change; none: what was found for `ials` is taken."""

    files: tuple[str, ...]
    draw: Draw | None = None
    overrides: tuple[str, ...] = ()


def _least_squares(trial: Any) -> dict[str, Any]:
    return {
        "model.unobserved_weight": trial.suggest_float("unobserved_weight", 0.005, 0.5, log=True),
        "model.l2": trial.suggest_float("l2", 0.002, 0.03, log=True),
    }


def _ials(trial: Any) -> dict[str, Any]:
    return {"model.embedding_size": trial.suggest_categorical("columns", [48, 64, 96, 128, 192])} | _least_squares(
        trial
    )


def _als(trial: Any) -> dict[str, Any]:
    return {
        "factors": trial.suggest_categorical("factors", [48, 64, 96, 128, 192]),
        "regularization": trial.suggest_float("regularization", 0.01, 50, log=True),
        "alpha": trial.suggest_float("alpha", 1, 40, log=True),
        "iterations": trial.suggest_int("iterations", 5, 30),
    }


DRAWS: dict[str, Draw] = {
    "als": _als,
    "ease": lambda trial: {"reg": trial.suggest_float("reg", 50, 3000, log=True)},
    "slim": lambda trial: {
        "alpha": trial.suggest_float("alpha", 1e-4, 1.0, log=True),
        "l1_ratio": trial.suggest_float("l1_ratio", 1e-4, 0.5, log=True),
    },
    "item_neighbours": lambda trial: {
        "top_k": trial.suggest_int("top_k", 20, 1000, log=True),
        "shrinkage": trial.suggest_float("shrinkage", 1e-2, 500, log=True),
        "normalize": trial.suggest_categorical("normalize", [True, False]),
        "feature_weighting": trial.suggest_categorical("feature_weighting", ["NONE", "TF_IDF", "BM_25"]),
    },
    "user_neighbours": lambda trial: {
        "top_k": trial.suggest_int("top_k", 20, 1000, log=True),
        "shrinkage": trial.suggest_float("shrinkage", 1e-2, 500, log=True),
        "feature_weighting": trial.suggest_categorical("feature_weighting", ["NONE", "TF_IDF", "BM_25"]),
    },
    "rp3beta": lambda trial: {
        "alpha": trial.suggest_float("alpha", 0.2, 2.0),
        "beta": trial.suggest_float("beta", 0.0, 1.2),
        "top_k": trial.suggest_int("top_k", 20, 1000, log=True),
    },
}

OURS: dict[str, Preset] = {
    "ials": Preset(("movielens-1m", "ials"), _ials),
    "joint": Preset(("movielens-1m", "joint")),
}

START = {
    "goodbooks_ials": {"unobserved_weight": 0.01, "l2": 0.01},
    "goodbooks_als": {"factors": 192, "regularization": 10.0, "alpha": 40.0, "iterations": 15},
    "ials": {"columns": 96, "unobserved_weight": 0.15, "l2": 0.013},
    "als": {"factors": 96, "regularization": 50.0, "alpha": 3.0, "iterations": 27},
}
"""Tried first in every search of these: what is usual, or near what longer searches have found, so that a few trials do
not all look in vain."""


def settings_of(files: tuple[str, ...], overrides: dict[str, Any], seed: int) -> Settings:
    """The settings of configuration files of this project."""
    given = [f"{key}={json.dumps(value)}" for key, value in overrides.items()]
    paths = [PROJECT / "conf" / f"{name}.yaml" for name in ("base", *files)]
    return config.load(Settings, paths, [*given, f"training.seed={seed}"])


def fitted(settings: Settings, data: Split, rows: TrainingRows | None = None) -> Fitted:
    """The model of some settings, fitted to the split's rows or to some others."""
    sides = Sides(data.n_users, data.n_items)
    trainer = Trainer(model_for(settings.model), settings.training, lambda _: sides)
    return trainer.fit("evaluated", data.fit if rows is None else rows, epochs=settings.training.epochs)


def scores_of(scorer: PairScorer) -> Scores:
    """All scores of a dot product; what training has not touched comes last."""
    last = np.where(scorer.item.any(axis=1), 0, -1e30).astype(np.float32)
    bias = last if scorer.item_bias is None else scorer.item_bias + last
    return lambda users: scorer.user[users] @ scorer.item.T + bias


def tuned(
    draw: Draw, measure: Callable[[dict[str, Any]], float], trials: int, start: dict[str, Any] | None
) -> dict[str, Any]:
    """The best settings of some trials, the first of them `start`, by the inner split."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=1))

    def trial(trial: optuna.Trial) -> float:
        settings = draw(trial)
        trial.set_user_attr("settings", settings)
        return measure(settings)

    if start is not None:
        study.enqueue_trial(start)
    study.optimize(trial, n_trials=trials)
    return {"settings": study.best_trial.user_attrs["settings"], "validation": study.best_value, "trials": trials}


class Benchmark:
    """The parts, and the figures so far.

    Args:
        data: the folder of the data sets.
        trials: of each search; 0: what was found before is taken.
        seeds: of each fit that draws anything.
        figures: of earlier runs.
        again: whether what was found before is searched for once more.
    """

    def __init__(self, data: Path, trials: int, seeds: int, figures: dict[str, Any], *, again: bool = False) -> None:
        self.data, self.trials, self.figures, self.again = data, trials, figures, again
        self.seeds = tuple(range(42, 42 + seeds))

    def peers(self) -> None:
        """NDCG@10 of all on MovieLens 1M, with paired tests of ours against each peer."""
        data = load(self.data, "ml-1m")
        found, each = {}, {}
        for name, preset in OURS.items():
            found[name], each[name] = self._ours(name, preset, data)
            _tell(name, found[name])
        for name, draw in DRAWS.items():
            found[name], each[name] = self._peer(name, draw, data)
            _tell(name, found[name])
        best = max(OURS, key=lambda name: found[name]["ndcg@10"])
        tests = {name: _paired(each[best], each[name]) for name in DRAWS}
        self.figures["peers"] = {"methods": found, "best": best, "paired": tests}

    def joint(self) -> None:
        """The weight of the vectors for ratings, by the error on the inner split; NDCG does not depend on it."""
        data = load(self.data, "ml-1m")
        inner = data.inner()

        def error(l2: float, seed: int, on: Split) -> float:
            # the vectors that rank are apart from those for ratings: a few columns of them will do here
            settings = settings_of(OURS["joint"].files, {"model.embedding_size": 8, "model.rating_l2": l2}, seed)
            return _rating_error(fitted(settings, on).scorers(), on)["mse"]

        errors = {l2: error(l2, 42, inner) for l2 in RATING_L2}
        chosen = min(errors, key=lambda l2: errors[l2])
        told = {"settings": {"model.rating_l2": chosen}, "validation_mse": {str(l2): e for l2, e in errors.items()}}
        self.figures.setdefault("tuned", {})["joint_ratings"] = told
        self.figures["joint"] = {"rating_l2": chosen, "mse": [error(chosen, seed, data) for seed in self.seeds]}

    def width(self) -> None:
        """NDCG@10 against columns, ours and ALS, each with the settings found for that width."""
        data, rows = load(self.data, "ml-1m"), []
        for columns in WIDTHS:
            preset = Preset(OURS["ials"].files, _least_squares, (f"model.embedding_size={columns}",))
            mine, _ = self._ours(f"ials_{columns}", preset, data, seeds=self.seeds[:1])
            draw = _with(_als, factors=columns)
            theirs, _ = self._peer(f"als_{columns}", draw, data, method="als", seeds=self.seeds[:1])
            rows.append({"columns": columns, "ials": mine["ndcg@10"], "als": theirs["ndcg@10"]})
            print(rows[-1], flush=True)
        self.figures["width"] = rows

    def goodbooks(self) -> None:
        """NDCG@10 with 256 columns on the sparser data set."""
        data = load(self.data, "goodbooks-10k-kaggle")
        preset = Preset(("goodbooks", "goodbooks-ials"), _least_squares)
        mine, of_mine = self._ours("goodbooks_ials", preset, data)
        _tell("ials", mine)
        draw = _with(_als, factors=256)
        theirs, of_theirs = self._peer("goodbooks_als", draw, data, method="als")
        _tell("als", theirs)
        self.figures["goodbooks"] = {"ials": mine, "als": theirs, "paired": _paired(of_mine, of_theirs)}

    def seconds(self) -> None:
        """Time of ALS, and of the preset with as many epochs as it needs to rank as well, in turns."""
        data = load(self.data, "ml-1m")
        chosen = self._found("als")["settings"]
        likes = data.likes(data.fit)
        goal = _mean(PEERS["als"](likes, chosen, 42), data)
        for epochs in (8, 12, 16, 20, 24, 30, 40):
            settings = settings_of(OURS["ials"].files, {"training.epochs": epochs}, 42)
            reached = _mean(scores_of(fitted(settings, data).scorers()["main"]), data)
            print(epochs, reached, goal, flush=True)
            if reached >= goal:
                break
        seconds: dict[str, list[float]] = {"als": [], "ials": []}
        for _ in range(TURNS):
            begun = time.perf_counter()
            PEERS["als"](likes, chosen, 42)
            between = time.perf_counter()
            fitted(settings, data)
            seconds["als"].append(between - begun)
            seconds["ials"].append(time.perf_counter() - between)
            print(seconds, flush=True)
        median = {name: float(np.median(times)) for name, times in seconds.items()}
        of_ials = {"seconds": median["ials"], "ndcg@10": reached, "epochs": epochs}
        self.figures["seconds"] = {"als": {"seconds": median["als"], "ndcg@10": goal}, "ials": of_ials, "turns": TURNS}

    def folded(self) -> None:
        """A tenth of the users left out of training, folded in from their fitted ratings: relative to being trained."""
        data = load(self.data, "ml-1m")
        out = np.random.default_rng(3).random(data.n_users) < 0.1
        with_likes = np.flatnonzero(np.diff(data.likes(data.held).indptr))
        asked = with_likes[out[with_likes]]
        rows = data.fit
        kept = ~out[rows.user]
        fewer = TrainingRows(rows.user[kept], rows.item[kept], rows.rating[kept], rows.part[kept])
        found = {}
        for name in ("ials", "joint"):
            settings = settings_of(OURS[name].files, self._found(name)["settings"], 42)
            trained = ndcg(scores_of(fitted(settings, data).scorers()["main"]), data, asked)
            of_folded = ndcg(scores_of(_with_folded(fitted(settings, data, fewer), settings, data, asked)), data, asked)
            ratio = float(of_folded.mean() / trained.mean())
            found[name] = {"trained": float(trained.mean()), "folded_in": float(of_folded.mean()), "ratio": ratio}
            print(name, found[name], flush=True)
        self.figures["folded"] = {"users": len(asked), **found}

    def _found(self, name: str) -> dict[str, Any]:
        settings: dict[str, Any] = self.figures.get("tuned", {}).get(name, {"settings": {}})
        return settings

    def _search(self, name: str, draw: Draw | None, measure: Callable[[dict[str, Any]], float]) -> dict[str, Any]:
        if draw is None:
            return dict(self._found("ials")["settings"] | self._found("joint_ratings")["settings"])
        if self.trials and (self.again or name not in self.figures.get("tuned", {})):
            start = next((START[kind] for kind in START if kind in name), None)
            self.figures.setdefault("tuned", {})[name] = tuned(draw, measure, self.trials, start)
            print(name, self.figures["tuned"][name], flush=True)
        chosen: dict[str, Any] = self._found(name)["settings"]
        return chosen

    def _ours(
        self, name: str, preset: Preset, data: Split, seeds: tuple[int, ...] | None = None
    ) -> tuple[dict[str, Any], F64]:
        inner = data.inner()
        fixed = {key: json.loads(value) for key, _, value in (o.partition("=") for o in preset.overrides)}

        def measure(chosen: dict[str, Any]) -> float:
            model = fitted(settings_of(preset.files, fixed | chosen, 42), inner)
            return _mean(scores_of(model.scorers()["main"]), inner)

        chosen = self._search(name, preset.draw, measure)
        each, rest = [], []
        for seed in seeds or self.seeds:
            settings = settings_of(preset.files, fixed | chosen, seed)
            begun = time.perf_counter()
            scorers = fitted(settings, data).scorers()
            took = time.perf_counter() - begun
            each.append(ndcg(scores_of(scorers["main"]), data))
            rest.append({"seconds": took, "columns": scorers["main"].item.shape[1], **_rating_error(scorers, data)})
        return _told(chosen, each, rest), np.mean(each, axis=0)

    def _peer(
        self, name: str, draw: Draw, data: Split, *, method: str | None = None, seeds: tuple[int, ...] | None = None
    ) -> tuple[dict[str, Any], F64]:
        inner, fit = data.inner(), PEERS[method or name]
        chosen = self._search(name, draw, lambda chosen: _mean(fit(inner.likes(inner.fit), chosen, 42), inner))
        each, rest = [], []
        for seed in (seeds or self.seeds) if (method or name) in SEEDED else self.seeds[:1]:
            begun = time.perf_counter()
            scores = fit(data.likes(data.fit), chosen, seed)
            rest.append({"seconds": time.perf_counter() - begun})
            each.append(ndcg(scores, data))
        return _told(chosen, each, rest), np.mean(each, axis=0)


def _with(draw: Draw, **fixed: Any) -> Draw:
    return lambda trial: draw(trial) | fixed


def _mean(scores: Scores, data: Split) -> float:
    return float(ndcg(scores, data).mean())


def _rating_error(scorers: dict[str, PairScorer], data: Split) -> dict[str, float]:
    if "rating" not in scorers:
        return {}
    predicted = scorers["rating"].score(data.held.user, data.held.item).astype(np.float64)
    return {"mse": float(np.mean((predicted - data.held.rating) ** 2))}


def _told(chosen: dict[str, Any], each: list[F64], rest: list[dict[str, float]]) -> dict[str, Any]:
    means = [float(one.mean()) for one in each]
    averaged = {name: float(np.mean([one[name] for one in rest])) for name in rest[0]}
    return {"settings": chosen, "ndcg@10": float(np.mean(means)), "seeds": means, **averaged}


def _paired(mine: F64, theirs: F64) -> dict[str, float]:
    """Student's paired t-test over users, of the means over seeds."""
    gains = mine - theirs
    low, high = stats.t.interval(0.95, len(gains) - 1, gains.mean(), stats.sem(gains))
    return {"gain": float(gains.mean()), "low": low, "high": high, "p": float(stats.ttest_1samp(gains, 0).pvalue)}


def _with_folded(model: Fitted, settings: Settings, data: Split, users: np.ndarray) -> PairScorer:
    """The model's scorer with vectors for some users made of their fitted ratings."""
    scorers = model.scorers()
    if f"{HISTORY}.0" in model.memory:
        scorers["history"] = history_scorer(model.memory[f"{HISTORY}.0"], data.n_users)
    fold = fold_of(settings.model.model_dump(mode="json"), scorers, liked_at=LIKED_AT)
    assert fold is not None
    ends = np.searchsorted(data.fit.user, np.arange(data.n_users + 1))
    mine = [np.arange(ends[user], ends[user + 1]) for user in users]
    rows = np.concatenate(mine)
    offsets = np.concatenate(([0], np.cumsum([len(one) for one in mine]))).astype(np.int64)
    vectors = fold.sides(Histories(offsets, data.fit.item[rows], data.fit.rating[rows]))["main"].user
    table = scorers["main"].user.copy()
    table[users] = vectors
    return PairScorer(user=table, item=scorers["main"].item, item_bias=scorers["main"].item_bias)


def _tell(name: str, found: dict[str, Any]) -> None:
    print(f"{name}: {json.dumps(found)}", flush=True)


def main() -> None:
    """Run the parts that were asked for and add their figures to what is there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of the public data sets")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--tune", type=int, default=0, metavar="TRIALS", help="search settings again")
    parser.add_argument("--again", action="store_true", help="also what was found before")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=FIGURES)
    arguments = parser.parse_args()
    load_keras()
    figures = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    benchmark = Benchmark(arguments.data, arguments.tune, arguments.seeds, figures, again=arguments.again)
    for part in arguments.only:
        getattr(benchmark, part)()
        figures["machine"] = {"cores": os.cpu_count(), "python": platform.python_version()}
        arguments.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
