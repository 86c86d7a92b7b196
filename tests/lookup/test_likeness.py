"""What is like what somebody typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_spark.lookup.likeness import likeness, most_like

TITLES = [
    "it",
    "chobits vol 1",
    "the hobbit",
    "the hobbit graphic novel",
    "wit",
    "lord of the shadows",
    "the fellowship of the ring",
    "the lord of the rings",
    "the hit",
]


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("hobit", "the hobbit"),
        ("the hobit", "the hobbit"),
        ("hobbit graphic", "the hobbit graphic novel"),
        ("lord rings", "the lord of the rings"),
        ("fellowship ring", "the fellowship of the ring"),
    ],
)
def test_words_that_are_left_out_or_misspelt_do_not_hide_the_title(asked: str, meant: str) -> None:
    ((first, _), *_) = most_like(asked, dict(enumerate(TITLES)), least=55, most=3)

    assert TITLES[first] == meant


def test_a_short_title_is_not_like_everything_that_holds_its_letters() -> None:
    found = most_like("hobit", dict(enumerate(TITLES)), least=55, most=9)

    assert "it" not in {TITLES[position] for position, _ in found}


def test_what_is_like_nothing_finds_nothing() -> None:
    assert most_like("xyzzy", dict(enumerate(TITLES)), least=55, most=3) == []
    assert most_like("", dict(enumerate(TITLES)), least=55, most=3) == []


@given(st.text("abc ", min_size=1, max_size=20), st.text("abc ", max_size=20))
def test_likeness_lies_between_nothing_and_the_same(asked: str, title: str) -> None:
    assert 0 <= likeness(asked, title) <= 100
    assert likeness(asked, asked) == pytest.approx(100 if asked.split() else 15)
