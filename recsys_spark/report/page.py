"""The page: one HTML file that holds its style, its script, its data and Plotly, and asks the network for nothing.

Whatever comes from data is escaped by Jinja or put into a JSON block, from which the script makes text nodes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Literal

from recsys_spark import __version__
from recsys_spark.report.charts import Chart, number
from recsys_spark.report.examples import ExampleUser

_ASSETS = resources.files("recsys_spark.report") / "assets"


@dataclass(frozen=True)
class Key:
    """A key figure."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table of texts."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    text: bool = False
    """Whether it is of pairs of words, which are shown side by side."""

    lone: bool = False
    """Whether it takes the whole width."""

    marked: frozenset[int] = frozenset()
    """Positions of rows that stand out."""

    kind: Literal["table"] = "table"


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    name: str
    title: str
    text: str = ""
    blocks: Sequence[Table | Chart] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.text or self.blocks)

    @property
    def placed(self) -> list[tuple[Table | Chart, bool]]:
        """Each block, and whether it takes the whole width: also one that has nothing beside it."""
        placed: list[tuple[Table | Chart, bool]] = []
        left = True
        for block, after in zip(self.blocks, [*self.blocks[1:], None], strict=True):
            lone = block.lone or (left and (after is None or after.lone))
            placed.append((block, lone))
            left = lone or not left
        return placed


@dataclass(frozen=True)
class Page:
    """All that the page shows."""

    title: str
    status: str
    answers: str | None
    facts: Sequence[tuple[str, str]]
    keys: Sequence[Key]
    warnings: Sequence[str]
    sections: Sequence[Section]
    users: Sequence[ExampleUser] = ()
    users_text: str = ""
    map: dict[str, Any] | None = None
    """See `map_data.map_data`."""

    map_text: str = ""
    configuration: str = ""
    configuration_text: str = ""
    footer: str = ""
    version: str = field(default=__version__)


def as_html(page: Page) -> str:
    """The page as one file: some 5 MB, most of them Plotly, and about 300 bytes for each item of a map."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals["number"] = number
    charts = {
        chart.name: chart.figure for section in page.sections for chart in section.blocks if chart.kind == "chart"
    }
    return environment.from_string(_asset("report.html.j2")).render(
        page=page,
        css=Markup(_asset("report.css")),
        script=Markup(_asset("report.js")),
        plotly=Markup(_plotly()),
        data=Markup(_as_data({"charts": charts, "map": page.map})),
    )


def _as_data(value: Any) -> str:
    """JSON that cannot end the block that it stands in."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _plotly() -> str:
    """The script that comes with the package plotly, whose Python part is not needed."""
    return (resources.files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
