"""The charts of the report: figures as Plotly takes them, and the same numbers as tables for whoever cannot see them.

Colours are names of the page's own (`--c1`, `--text`, ...), which the page replaces, so that each chart follows the
light and the dark scheme.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from recsys_spark.report.density import Density
from recsys_spark.report.histograms import Histogram, Scores

NOTHING = "\N{EN DASH}"
"""Stands for a figure that is not there."""

COLOURS = ("--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7", "--c8")

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Chart:
    """A chart and its table."""

    name: str
    """Names the element; letters, digits and hyphens."""

    title: str
    note: str
    """A sentence on what is seen."""

    data: list[dict[str, Any]]
    layout: dict[str, Any]
    head: tuple[str, ...]
    rows: Rows
    log: bool = False
    """Whether a reader may switch the vertical axis to a logarithmic one."""

    height: int = 300
    lone: bool = False
    """Whether it takes the whole width."""

    kind: Literal["chart"] = "chart"

    @property
    def figure(self) -> dict[str, Any]:
        """What the page's script needs."""
        return {"data": self.data, "layout": self.layout, "height": self.height}


def number(value: float | None, digits: int = 4) -> str:
    """A figure as a table shows it: whole numbers in groups of three, others with some digits, none as a dash."""
    if value is None or not np.isfinite(value):
        return NOTHING
    if isinstance(value, int) or (float(value).is_integer() and abs(value) >= 1):
        return f"{int(value):,}"
    return f"{value:,.{digits}f}"


def bars(
    name: str,
    title: str,
    note: str,
    histogram: Histogram,
    *,
    axes: tuple[str, str],
    log: bool = False,
    colour: str = COLOURS[0],
) -> Chart:
    """A bar for each bin.

    Args:
        name: of the element.
        title: of the chart.
        note: what is seen.
        histogram: the bins.
        axes: what stands below, and beside.
        log: whether the vertical axis is logarithmic.
        colour: of the bars.
    """
    labels, counts = list(histogram.labels), list(histogram.counts)
    trace = {
        "type": "bar",
        "x": labels,
        "y": counts,
        "marker": {"color": colour},
        "hovertemplate": f"%{{x}}: %{{y:,}} {axes[1].lower()}<extra></extra>",
    }
    vertical = {"title": axes[1]} | ({"type": "log", "dtick": 1} if log else {})
    layout = {
        "xaxis": {"title": axes[0], "type": "category"},
        "yaxis": vertical,
        "bargap": 0.12 if len(labels) > 3 else 0.6,
    }
    rows = [[label, f"{count:,}"] for label, count in zip(labels, counts, strict=True)]
    return Chart(name, title, note, [trace], layout, axes, rows)


def losses(epochs: Mapping[str, Mapping[int, float]], title: str, note: str) -> Chart:
    """Loss by epoch, a line for each part.

    Args:
        epochs: by part, by epoch.
        title: of the chart.
        note: what is seen.
    """
    data = _lines(epochs, "{name}, epoch %{{x}}: %{{y:.5f}}", size=5)
    layout = {"xaxis": {"title": "Epoch", "rangemode": "tozero"}, "yaxis": {"title": "Loss"}, "showlegend": True}
    every = sorted({epoch for of_part in epochs.values() for epoch in of_part})
    rows = [[str(epoch), *(number(of_part.get(epoch), 5) for of_part in epochs.values())] for epoch in every]
    return Chart("loss", title, note, data, layout, ("Epoch", *epochs), rows, log=True)


def density(found: Density) -> Chart:
    """Where predictions lie for each true rating: each column adds up to 1."""
    share = found.counts / np.maximum(found.counts.sum(axis=1, keepdims=True), 1)
    edges = np.array(found.edges)
    middles = (edges[:-1] + edges[1:]) / 2
    labels = list(found.levels)
    data = [
        {
            "type": "heatmap",
            "x": labels,
            "y": np.round(middles, 4).tolist(),
            "z": np.round(share.T, 4).tolist(),
            "colorscale": "density",
            "showscale": False,
            "hovertemplate": "rated %{x}, predicted about %{y:.2f}: %{z:.1%}<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "markers",
            "name": "mean",
            "x": labels,
            "y": [None if np.isnan(v) else round(float(v), 4) for v in found.mean_predicted],
            "marker": {"color": "--text", "size": 8, "symbol": "diamond", "line": {"color": "--card", "width": 1.5}},
            "hovertemplate": "rated %{x}: %{y:.3f} predicted on average<extra></extra>",
        },
    ]
    layout = {"xaxis": {"title": "True rating", "type": "category"}, "yaxis": {"title": "Predicted rating"}}
    rows = [
        [label, f"{int(n):,}", number(mean, 3), number(mse, 3)]
        for label, n, mean, mse in zip(labels, found.counts.sum(axis=1), found.mean_predicted, found.mse, strict=True)
    ]
    note = f"{found.ratings:,} ratings; each column adds up to 1, diamonds are means."
    head = ("True rating", "Ratings", "Mean predicted", "MSE")
    return Chart(f"density-{found.part}", f"Predicted against true, {found.part}", note, data, layout, head, rows)


def intervals(name: str, title: str, note: str, rows: Iterable[tuple[str, float, float | None, float | None]]) -> Chart:
    """A figure of each scorer with its interval, the model's first.

    Args:
        name: of the element.
        title: of the chart.
        note: what is seen.
        rows: name, value, lower and upper end.
    """
    found = list(rows)
    names = [row[0] for row in found]
    data = [
        {
            "type": "scatter",
            "mode": "markers",
            "x": [value for _, value, _, _ in found],
            "y": names,
            "error_x": {
                "type": "data",
                "symmetric": False,
                "array": [0 if high is None else high - value for _, value, _, high in found],
                "arrayminus": [0 if low is None else value - low for _, value, low, _ in found],
                "color": "--muted",
                "thickness": 2,
                "width": 5,
            },
            "marker": {"size": 11, "color": ["--c1", *["--muted"] * (len(found) - 1)]},
            "hovertemplate": "%{y}: %{x:.4f}<extra></extra>",
        }
    ]
    layout = {
        "xaxis": {"title": title},
        "yaxis": {"autorange": "reversed", "type": "category", "automargin": True},
    }
    table = [[label, number(value), number(low), number(high)] for label, value, low, high in found]
    head = ("Scorer", title, "95 % from", "to")
    return Chart(name, title, note, data, layout, head, table, height=max(170, 80 + 32 * len(found)))


def by_k(metric: str, title: str, values: Mapping[str, Mapping[int, float]]) -> Chart:
    """A metric of ranking against the cut-off, a line for each scorer."""
    data = _lines(values, "{name} at %{{x}}: %{{y:.4f}}", size=7)
    cuts = sorted({k for of_scorer in values.values() for k in of_scorer})
    layout = {
        "xaxis": {"title": "k", "tickvals": cuts},
        "yaxis": {"title": title, "rangemode": "tozero"},
        "showlegend": True,
    }
    rows = [[f"{title}@{k}", *(number(of_scorer.get(k)) for of_scorer in values.values())] for k in cuts]
    return Chart(f"by-k-{metric.replace('_', '-')}", title, "", data, layout, ("Metric", *values), rows, height=250)


def scores(found: Scores, before: Scores | None) -> Chart:
    """How the scores of the lists are distributed; of two runs, as shares."""
    edges = np.array(found.edges)
    middles = np.round((edges[:-1] + edges[1:]) / 2, 5).tolist()
    series = {"all places": found.all, "first places": found.first} | ({"last run": before.all} if before else {})
    data = []
    for (label, counts), colour in zip(series.items(), ("--c1", "--c2", "--muted"), strict=False):
        total = max(sum(counts), 1)
        line = {"color": colour, "width": 2, "shape": "hvh"} | ({"dash": "dot"} if label == "last run" else {})
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": label,
                "x": middles,
                "y": [count / total for count in counts],
                "line": line,
                "fill": "tozeroy" if label == "all places" else "none",
                "hovertemplate": f"{label}, about %{{x:.3f}}: %{{y:.1%}}<extra></extra>",
            }
        )
    layout = {
        "xaxis": {"title": "Score"},
        "yaxis": {"title": "Share", "tickformat": ".0%", "rangemode": "tozero"},
        "showlegend": True,
    }
    rows = [
        [f"{low:.4g} to {high:.4g}", *(f"{counts[n]:,}" for counts in series.values())]
        for n, (low, high) in enumerate(pairwise(edges))
    ]
    note = "Of entries that the model has ordered, as shares of each series."
    return Chart("scores", "Scores of the lists", note, data, layout, ("Score", *series), rows)


def _lines(series: Mapping[str, Mapping[int, float]], told: str, *, size: int) -> list[dict[str, Any]]:
    """A line with marks for each series; `told` says what stands beside the mouse, with the series' name."""
    return [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": list(points),
            "y": list(points.values()),
            "line": {"color": colour, "width": 2},
            "marker": {"size": size},
            "hovertemplate": f"{told.format(name=name)}<extra></extra>",
        }
        for (name, points), colour in zip(series.items(), COLOURS, strict=False)
    ]
