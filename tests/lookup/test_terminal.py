"""What a terminal gets to see."""

from __future__ import annotations

import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_spark.lookup.answer import Grid
from recsys_spark.lookup.terminal import as_text, harmless
from recsys_spark.text_table import TextColumn
from tests.hostile import IDS

COLUMNS = (TextColumn("n", "right"), TextColumn("title"), TextColumn("end"))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@given(st.text() | st.sampled_from(IDS))
def test_nothing_that_commands_a_terminal_or_turns_text_around_is_left(text: str) -> None:
    shown = harmless(text)

    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs")]
    assert not set(shown) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200f")
    assert harmless(shown) == shown


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_letters_figures_and_signs_stay(text: str) -> None:
    assert harmless(text) == text


def test_wide_and_combined_characters_are_aligned() -> None:
    rows = [["1", "寿司", "|"], ["2", "cafe\u0301", "|"], ["3", "\U0001f600", "|"]]

    lines = as_text([Grid("", COLUMNS, rows)], io.StringIO()).splitlines()[2:]

    assert lines == ["1   寿司    |", "2   cafe\u0301    |", "3   \U0001f600      |"]


def test_text_that_looks_like_markup_is_shown_as_it_is() -> None:
    text = as_text(["[bold]a[/bold] :smile:", Grid("[red]", COLUMNS, [["1", "[link=x]y[/]", ""]])], io.StringIO())

    assert "[bold]a[/bold] :smile:\n\n[red]\n" in text
    assert "[link=x]y[/]" in text


def test_a_title_is_cut_to_the_terminal_and_to_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    grid = Grid("", COLUMNS, [["12345", "x" * 200, "end"]])

    assert "x" * 200 in as_text([grid], io.StringIO())
    on_terminal = as_text([grid], Terminal())
    assert max(map(len, on_terminal.splitlines())) <= 40
    assert "12345" in on_terminal


@pytest.mark.parametrize(
    ("variable", "value", "styled"),
    [("TERM", "xterm", True), ("TERM", "dumb", False), ("NO_COLOR", "1", False)],
)
def test_only_a_terminal_that_wants_them_gets_styles(
    variable: str, value: str, styled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(variable, value)
    grid = Grid("title", COLUMNS, [["1", "a", ""]])

    assert ("\x1b[" in as_text([grid], Terminal())) == styled
    assert "\x1b" not in as_text([grid], io.StringIO())
