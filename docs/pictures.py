"""The pictures of docs/performance.md: SVG files in docs/performance/, drawn from what the benchmarks found.

Needs matplotlib, which the extra `bench` installs. Colours are those of Okabe and Ito, which colour-blind people can
tell apart; each line has a mark of its own besides.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

LOOKS = {
    "dot": ("#0072B2", "o", "-", "dot product, ours"),
    "dot, plain": ("#56B4E9", "s", "-", "dot product, ours, plain"),
    "one layer": ("#D55E00", "^", "-", "one layer, ours"),
    "layers 128, 32": ("#CC79A7", "D", "-", "layers 128 and 32, ours"),
    "sgemm": ("#000000", "x", ":", "sgemm, no lists"),
    "implicit": ("#009E73", "v", "--", "implicit"),
}
"""Colour, mark, line and name."""

KINDS = {
    "8-bit multiply-adds": ("#0072B2", "-"),
    "maxima and 8-bit multiply-adds": ("#D55E00", "--"),
    "float32 multiply-adds": ("#000000", ":"),
}
"""Colour and line of a peak."""

PEERS = {
    "ours, plain": ("#56B4E9", "s"),
    "sgemm, no lists": ("#000000", "x"),
    "implicit": ("#009E73", "v"),
    "faiss, flat": ("#E69F00", "P"),
    "numba, fused, no lists": ("#CC79A7", "D"),
    "Keras, batch 8,192": ("#D55E00", "^"),
}

SIZES = {
    "users": "users",
    "items": "items",
    "k": "k, columns of a vector",
    "hidden": "units of the hidden layer",
}
LISTS = {
    "n": "N, entries of a list",
    "seen": "seen items of a user",
    "variants": "lists of a user",
    "segments": "segments (a tenth of the items each)",
}
"""Axes of the two pictures of growth, and what they are called."""

STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "recsys-spark",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.markersize": 4.5,
    "lines.linewidth": 1.4,
    "legend.frameon": False,
}


def draw(folder: Path, figures: dict[str, dict[str, Any]]) -> None:
    """Draw whatever has been measured.

    Args:
        folder: of the pictures.
        figures: `growth`, `roofline`, `kernels`, `sizes`: what the benchmarks wrote; empty: not measured.
    """
    folder.mkdir(exist_ok=True)
    with matplotlib.rc_context(STYLE):
        if figures["growth"]:
            save(growth(figures["growth"], SIZES), folder / "growth_sizes.svg")
            save(growth(figures["growth"], LISTS), folder / "growth_lists.svg")
        if figures["roofline"].get("peaks", {}).get("8-bit multiply-adds"):
            save(roofline(figures["roofline"]), folder / "roofline.svg")
        cases = {**figures["sizes"].get("cases", {}), **figures["kernels"].get("cases", {})}
        if cases:
            save(ratios(cases), folder / "ratios.svg")


def save(figure: Figure, file: Path) -> None:
    """As the same bytes for the same figures."""
    figure.savefig(file, metadata={"Date": None, "Creator": None}, facecolor="white", bbox_inches="tight")
    plt.close(figure)


def growth(found: dict[str, Any], axes: dict[str, str]) -> Figure:
    """Four panels of curves, log-log."""
    figure, panels = plt.subplots(2, 2, figsize=(8, 6.4), layout="constrained")
    for panel, (axis, label) in zip(panels.flat, axes.items(), strict=True):
        curves(panel, axis, found["axes"].get(axis, {}))
        panel.set_xlabel(label)
    drawn = {name for axis in axes for name in found["axes"].get(axis, {})}
    lines = [
        plt.Line2D([], [], color=colour, marker=mark, linestyle=line, label=label)
        for name, (colour, mark, line, label) in LOOKS.items()
        if name in drawn
    ]
    figure.legend(handles=lines, loc="outside upper center", ncols=3)
    return figure


def curves(panel: Axes, axis: str, contenders: dict[str, list[dict[str, float]]]) -> None:
    """Time of a pair along an axis; along users, the time of all."""
    for name, rows in contenders.items():
        colour, mark, line, _ = LOOKS[name]
        pairs = [1e-9 if axis == "users" else row["users"] * row["items"] for row in rows]
        times = [row["seconds"] / n * (1e-9 if axis == "users" else 1e9) for row, n in zip(rows, pairs, strict=True)]
        panel.plot([row["at"] for row in rows], times, color=colour, marker=mark, linestyle=line)
    at = sorted({row["at"] for rows in contenders.values() for row in rows})
    # nothing at all has its place left of the first power of ten
    if at and at[0] == 0:
        panel.set_xscale("symlog", linthresh=min(at[1:], default=1))
    else:
        panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xticks(at, [short(x) for x in at])
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.minorticks_off()
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    panel.set_ylabel("seconds" if axis == "users" else "ns per pair")


def short(number: float) -> str:
    """With k for whole hundreds above a thousand."""
    return f"{number / 1000:g}k" if number >= 1000 and number % 100 == 0 else f"{number:g}"


def roofline(found: dict[str, Any]) -> Figure:
    """Multiply-adds a second over multiply-adds for each byte that is moved."""
    figure, panel = plt.subplots(figsize=(7, 4.4), layout="constrained")
    kernels = found["kernels"]
    at = {name: one["operations"] / one["bytes"] for name, one in kernels.items()}
    left, right = 1.0, 3 * max(at.values())
    for kind, peak in found["peaks"].items():
        colour, line = KINDS[kind]
        ridge = peak / found["bandwidth"]
        roof = [(left, left * found["bandwidth"]), (ridge, peak), (right, peak)]
        panel.plot(*zip(*[(x, y / 1e9) for x, y in roof], strict=True), color=colour, linestyle=line, label=kind)
    for name, one in kernels.items():
        rate = one["pairs"] * one["operations"] / 1e9
        _, mark, _, label = LOOKS[name]
        panel.plot(at[name], rate, color=KINDS[one["kind"]][0], marker=mark, linestyle="", markersize=7)
        # so that its name does not meet that of the dot product
        left_of = name == "sgemm"
        beside = {"xytext": (-8 if left_of else 8, -3), "ha": "right" if left_of else "left"}
        panel.annotate(f"{label}: {one['share']:.0%}", (at[name], rate), textcoords="offset points", **beside)
    panel.set_xscale("log")
    panel.set_yscale("log")
    # room for the names, and for the legend below
    panel.set_xlim(left, 6 * right)
    panel.set_ylim(1, 2 * max(found["peaks"].values()) / 1e9)
    panel.set_xlabel("multiply-adds per byte moved")
    panel.set_ylabel("G multiply-adds per second")
    panel.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    panel.legend(title="peaks, measured", loc="lower right")
    return figure


def ratios(cases: dict[str, dict[str, Any]]) -> Figure:
    """How many times longer each peer takes."""
    figure, panel = plt.subplots(figsize=(8, 0.36 * len(cases) + 1.4), layout="constrained")
    names = list(cases)
    for peer, (colour, mark) in PEERS.items():
        points = [
            (cases[n]["ours"] / cases[n][peer], len(names) - row) for row, n in enumerate(names) if peer in cases[n]
        ]
        if points:
            panel.plot(*zip(*points, strict=True), color=colour, marker=mark, linestyle="", markersize=6, label=peer)
    panel.axvline(1, color="#555555", linewidth=1)
    panel.set_xscale("log")
    panel.set_yticks(range(len(names), 0, -1), names)
    panel.set_ylim(0.4, len(names) + 0.6)
    panel.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,g}"))
    panel.set_xlabel("times as long as ours (left of the line: faster than ours)")
    figure.legend(loc="outside upper center", ncols=3)
    return figure
