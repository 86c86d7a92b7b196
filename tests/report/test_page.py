"""The page: whatever comes from data is text, and blocks find their places."""

from __future__ import annotations

import json
import re

import pytest

from recsys_spark.report.charts import NOTHING, bars, number
from recsys_spark.report.examples import Entry, ExampleUser
from recsys_spark.report.histograms import Histogram
from recsys_spark.report.page import Key, Page, Section, Table, as_html

NASTY = "</script><script>alert('x')</script> \"quoted\" & <b>bold</b> \N{GRINNING FACE}\u2028"


def _page(**given: object) -> Page:
    values: dict[str, object] = {
        "title": NASTY,
        "status": "published",
        "answers": None,
        "facts": [(NASTY, NASTY)],
        "keys": [Key(NASTY, NASTY)],
        "warnings": [NASTY],
        "sections": [Section("lists", "Lists", NASTY, [Table(NASTY, (NASTY, NASTY), [[NASTY, NASTY]], NASTY)])],
    }
    return Page(**(values | given))  # type: ignore[arg-type]


def test_whatever_comes_from_data_is_escaped_and_cannot_end_the_block_of_data() -> None:
    entry = Entry("1", NASTY, 4.0)
    users = [ExampleUser(NASTY, NASTY, NASTY, 1, (entry,), (entry,))]
    made = {"titles": [NASTY]}
    found = as_html(_page(users=users, map=made, map_text=NASTY, configuration=NASTY, footer=NASTY))

    assert "<script>alert" not in found
    assert "<b>bold" not in found
    assert found.count("</script>") == 4, "the page's own: scheme, data, Plotly, script"
    (block,) = re.findall(r'<script type="application/json" id="report-data">(.*?)</script>', found, re.DOTALL)
    assert json.loads(block)["map"] == made


def test_the_page_names_no_place_in_the_network_to_fetch_from() -> None:
    found = as_html(_page())
    own = re.sub(r"<script>.*?</script>", "", found, flags=re.DOTALL)

    assert "default-src 'none'" in own
    assert not re.search(r"(?:src|href)=[\"'](?!#|data:)", own)
    assert "@import" not in own
    assert "url(" not in own


def test_a_figure_that_is_not_finite_cannot_break_the_page() -> None:
    chart = bars("a", "b", "c", Histogram(("1",), (1,)), axes=("x", "y"))
    chart.data[0]["y"] = [float("nan")]

    with pytest.raises(ValueError, match="JSON"):
        as_html(_page(sections=[Section("s", "S", "", [chart])]))
    assert number(float("nan")) == number(None) == NOTHING


@pytest.mark.parametrize(
    ("lone", "placed"),
    [
        ([False, False], [False, False]),
        ([False], [True]),
        ([False, False, False], [False, False, True]),
        ([False, True, False, False], [True, True, False, False]),
        ([True, False], [True, True]),
    ],
)
def test_a_block_without_a_neighbour_takes_the_whole_width(lone: list[bool], placed: list[bool]) -> None:
    section = Section("s", "S", "", [Table("t", ("a",), [], lone=alone) for alone in lone])

    assert [alone for _, alone in section.placed] == placed


def test_numbers_are_told_with_few_digits_and_whole_ones_in_groups() -> None:
    told = [number(1234567), number(0), number(0.123456), number(2.0), number(1.5, 1)]

    assert told == ["1,234,567", "0", "0.1235", "2", "1.5"]
