"""Writes docs/ranking.md from docs/ranking.json: `PYTHONPATH=. .venv/bin/python docs/make_ranking.py`.

`benchmarks/ranking_quality.py` measures first.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

INTRODUCTION = """\
# Ranking

Written by `docs/make_ranking.py` from what `benchmarks/ranking_quality.py` measured (`docs/ranking.json`); do not edit
by hand.

Two questions have different answers. *What would this user rate highest* (`training.objective: rating`) is answered by
predicted ratings, and such lists are mostly worse than those of the most popular items at telling *what will this user
want next* (`training.objective: ranking`). The models below are for the second one. All are scored as dot products, by
the same kernels as any other.

| `model.name` | learns |
| --- | --- |
| `ials` | to score 1 what a user likes and 0 all else, with less weight; the sum over all pairs is exact |
| `joint` | the same, and beside it to predict ratings from vectors of their own: `top_n.predicted_rating` |
| `softmax` | a tower over the history; what a user likes against all other items, or against some that are drawn |
| `bpr` | that what a user likes scores more than an item drawn by chance |
| `blend` | several of them, each by itself; their scores, brought to one scale, add up in one wide dot product |

What counts as a like is `training.relevant_at`; without ratings every row, or event by its `training.event_weights`.
"""

PROTOCOL = """\
A fifth of each user's ratings is held out, the same ones for all; a held-out rating of at least 4 is relevant; all
items are ranked but those that the user has among the fitted ratings. Settings were chosen on a
fifth of the fitted ratings, with the same number of trials for each method: {trials}. NDCG@10 is a
mean over users. Peers: ALS of [implicit](https://github.com/benfred/implicit), all others of
[irspack](https://github.com/tohtsky/irspack).
"""

NAMES = {
    "als": "implicit ALS",
    "ease": "EASE",
    "slim": "SLIM",
    "item_neighbours": "item neighbours",
    "user_neighbours": "user neighbours",
    "rp3beta": "RP3beta",
}


def main() -> None:
    """Write the page, and its picture where matplotlib is installed."""
    figures = json.loads((HERE / "ranking.json").read_text())
    timed = HERE / "evaluation_time.json"
    if timed.exists():
        figures["evaluation"] = json.loads(timed.read_text())
    (HERE / "ranking.md").write_text(page(figures), encoding="utf-8")
    draw(figures)


def page(figures: dict[str, Any]) -> str:
    """The page, of the parts that were measured."""
    parts = [INTRODUCTION]
    if "tuned" in figures:
        parts += ["## How it was measured\n\n" + PROTOCOL.format(trials=_trials(figures["tuned"]))]
    if "peers" in figures:
        parts += [_peers(figures)]
    if "width" in figures:
        parts += [_width(figures["width"], figures["tuned"])]
    if "goodbooks" in figures:
        parts += [_goodbooks(figures["goodbooks"])]
    if "seconds" in figures:
        parts += [_seconds(figures)]
    if "folded" in figures:
        parts += [_folded(figures["folded"])]
    if "evaluation" in figures:
        parts += [_evaluation(figures["evaluation"])]
    return "\n".join(parts)


def _peers(figures: dict[str, Any]) -> str:
    found, tests, best = (figures["peers"][name] for name in ("methods", "paired", "best"))
    rows = sorted(found.items(), key=lambda one: -one[1]["ndcg@10"])
    table = _table(
        ("", "NDCG@10", "seeds", f"`{best}` minus it (95 % interval, p)", "test MSE"),
        (
            (
                NAMES.get(name, f"**`{name}`**"),
                f"{one['ndcg@10']:.4f}",
                ", ".join(f"{seed:.4f}" for seed in one["seeds"]),
                _gain(tests[name]) if name in tests else "",
                f"{_mean(figures['joint']['mse']):.4f}" if name == "joint" and "joint" in figures else "",
            )
            for name, one in rows
        ),
    )
    chosen = "\n".join(f"- {NAMES.get(name, f'`{name}`')}: {_settings(one['settings'])}" for name, one in rows)
    told = "Means over three seeds where a method draws anything."
    if "joint" in figures:
        told += (
            " The vectors by which `joint` predicts ratings are apart from those\nthat rank: their weight, "
            f"{figures['joint']['rating_l2']}, was chosen by the error on the inner split, and the error was measured "
            "with a few columns of\nthe others."
        )
    told += "\n"
    return f"## MovieLens 1M\n\n{told}\n{table}\nSettings found beyond those of the presets:\n\n{chosen}\n"


def _width(rows: list[dict[str, Any]], tuned: dict[str, Any]) -> str:
    table = _table(
        ("columns", "`ials`", "trials", "implicit ALS", "trials"),
        ((r["columns"], *(cell for name in ("ials", "als") for cell in _at_width(name, r, tuned))) for r in rows),
    )
    picture = "![NDCG@10 against the number of columns](ranking/width.svg)"
    return f"## Width\n\nNDCG@10 on MovieLens 1M, the settings chosen anew for each width.\n\n{picture}\n\n{table}"


def _mean(figures: list[float]) -> float:
    return sum(figures) / len(figures)


def _at_width(name: str, row: dict[str, Any], tuned: dict[str, Any]) -> tuple[str, int]:
    return f"{row[name]:.4f}", tuned[f"{name}_{row['columns']}"]["trials"]


def _goodbooks(found: dict[str, Any]) -> str:
    measured = [name for name in ("ials", "als") if name in found]
    table = _table(
        ("256 columns", "NDCG@10", "seeds", "settings"),
        (
            (
                NAMES.get(name, f"`{name}`"),
                f"{found[name]['ndcg@10']:.4f}",
                ", ".join(f"{seed:.4f}" for seed in found[name]["seeds"]),
                _settings(found[name]["settings"]),
            )
            for name in measured
        ),
    )
    told = f"\n`ials` minus ALS: {_gain(found['paired'])}.\n" if "paired" in found else ""
    return f"## goodbooks-10k (Kaggle release)\n\n{table}{told}"


def _seconds(figures: dict[str, Any]) -> str:
    theirs, mine = figures["seconds"]["als"], figures["seconds"]["ials"]
    tuned = {name: figures["tuned"][name]["settings"] for name in ("als",) if name in figures["tuned"]}
    chosen = "; ".join(f"{NAMES.get(name, f'`{name}`')}: {_settings(settings)}" for name, settings in tuned.items())
    table = _table(
        ("", "epochs", "seconds", "NDCG@10", "times as long"),
        (
            ("implicit ALS", "", f"{theirs['seconds']:.1f}", f"{theirs['ndcg@10']:.4f}", "1"),
            ("`ials`", mine["epochs"], f"{mine['seconds']:.1f}", f"{mine['ndcg@10']:.4f}", _times(mine, theirs)),
        ),
    )
    told = (
        f"One fit of each to MovieLens 1M on the same two cores, in turns, medians of {figures['seconds']['turns']};\n"
        f"`conf/ials.yaml` with as many epochs as it needs to rank as well as ALS. {chosen}."
    )
    return f"## Seconds\n\n{told}\n\n{table}"


def _folded(found: dict[str, Any]) -> str:
    names = [name for name in found if name != "users"]
    table = _table(
        ("", "in training", "folded in", "ratio"),
        (
            (f"`{n}`", f"{found[n]['trained']:.4f}", f"{found[n]['folded_in']:.4f}", f"{found[n]['ratio']:.3f}")
            for n in names
        ),
    )
    return (
        f"## Folding in\n\nNDCG@10 of {found['users']} users (a tenth) who were in training, and of the same users "
        f"left out of it and given a vector by their ratings afterwards, as `training.use_model` does.\n\n{table}"
    )


def _evaluation(found: dict[str, Any]) -> str:
    table = _table(
        ("", "seconds", "times as long"),
        (
            (name, f"{seconds:.2f}", f"{seconds / found['seconds']['scoring']:.2f}")
            for name, seconds in found["seconds"].items()
        ),
    )
    return (
        "## What ranking evaluation costs\n\n"
        f"By `benchmarks/evaluation_time.py`: {found['users']:,} users x {found['items']:,} items, "
        f"{found['ratings']:,} generated ratings\nof which a fifth is held out, dot products of {found['k']} columns, "
        f"{found['cores']} cores, warm, in turns. Scoring writes lists of ten for every user.\n"
        f"Evaluation reads the ratings, makes the lists and gives all ranking figures with intervals and segments;\n"
        f"popularity is ranked beside the model.\n\n{table}"
    )


def _trials(tuned: dict[str, Any]) -> str:
    """How many trials a method had: of MovieLens 1M, of goodbooks."""
    counts = {
        "": [one["trials"] for name, one in tuned.items() if "_" not in name or "neighbours" in name],
        "on goodbooks ": [one["trials"] for name, one in tuned.items() if name.startswith("goodbooks")],
    }
    ranges = {where: sorted({min(own), max(own)}) for where, own in counts.items() if own}
    return "; ".join(f"{where}{' to '.join(map(str, ends))}" for where, ends in ranges.items())


def _times(one: dict[str, float], other: dict[str, float]) -> str:
    return f"{one['seconds'] / other['seconds']:.1f}"


def _gain(test: dict[str, float]) -> str:
    return f"{test['gain']:+.4f} [{test['low']:+.4f}, {test['high']:+.4f}], {test['p']:.1e}"


def _settings(chosen: dict[str, Any]) -> str:
    if not chosen:
        return "none"
    return ", ".join(
        f"{key.removeprefix('model.')} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in chosen.items()
    )


def _table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    heads = tuple(heads)
    lines = [heads, ("---",) * len(heads), *rows]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in lines)


def draw(figures: dict[str, Any]) -> None:
    """The curve of widths."""
    if "width" not in figures:
        return
    try:
        import matplotlib
    except ImportError:
        print("NOT DRAWN: docs/ranking/width.svg needs matplotlib (the extra `bench`)", file=sys.stderr)
        return
    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    rows = figures["width"]
    plt.rcParams["svg.hashsalt"] = "ranking"
    figure, axes = plt.subplots(figsize=(6.4, 4))
    looks = {"ials": ("ials, ours", "#0072B2", "o", "-"), "als": ("implicit", "#009E73", "v", "--")}
    for name, (label, colour, mark, line) in looks.items():
        points = [(row["columns"], row[name]) for row in rows]
        axes.plot(*zip(*points, strict=True), color=colour, marker=mark, linestyle=line, label=label)
    axes.set_xscale("log", base=2)
    axes.set_xticks([r["columns"] for r in rows], [str(r["columns"]) for r in rows])
    axes.set_xlabel("columns of a vector")
    axes.set_ylabel("NDCG@10")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    place = HERE / "ranking"
    place.mkdir(exist_ok=True)
    figure.savefig(place / "width.svg", metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)


if __name__ == "__main__":
    main()
