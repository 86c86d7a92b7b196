"""Which item is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys_spark.errors import NotFoundError
from recsys_spark.lookup.titles import find_item, titles_of, words
from recsys_spark.reader import Output


@pytest.mark.parametrize(
    ("wanted", "item_id", "in_doubt"),
    [
        ("1", 1, False),
        ("6", 6, False),
        ("Star Wars (1977)", 1, False),
        ('The "Quiet" American', 5, False),
        ("star wars", 1, True),
        ("The Hobbit", 2, True),
        ("quiet american the", 5, True),
        ("Star Wras", 1, True),
        ("寿司", 3, True),
        ("STAR TREK!", 7, True),
    ],
)
def test_an_item_is_found_by_id_by_title_and_by_nearly_its_title(
    published: Path, wanted: str, item_id: int, in_doubt: bool
) -> None:
    found = find_item(Output(published), wanted)

    assert found.item_id == item_id
    assert found.notes == ([f"taken for {wanted!r}: {found.name}"] if in_doubt else [])


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("Solo", "found 2 items.\n  the nearest, by id:\n    8  Solo\n    9  Solo"),
        ("solo", "found 2 items."),
        ("star", "    7  Star Trek"),
        ("a title of nothing at all", "an item is named by its id or its title"),
        ("10", "found none of that id or title"),
        ("", "found none of that id or title"),
    ],
)
def test_where_no_item_is_meant_clearly_the_nearest_are_told(published: Path, wanted: str, told: str) -> None:
    with pytest.raises(NotFoundError) as error:
        find_item(Output(published), wanted)

    assert told in str(error.value)


def test_titles_are_those_of_the_table_and_none_where_there_are_none(published: Path) -> None:
    assert titles_of(Output(published), [7, 6, 7]) == {7: "Star Trek", 6: None}
    assert titles_of(Output(published), []) == {}


@pytest.mark.parametrize(
    ("title", "compared"),
    [
        ("The Hunger Games (The Hunger Games, #1)", "the hunger games"),
        ("Seven (a.k.a. Se7en) (1995)", "seven"),
        ("(500) Days of Summer", "500 days of summer"),
        ("(1984)", "1984"),
        ("!!!", "!!!"),
        ("Ä  B", "ä b"),
    ],
)
def test_what_is_compared_of_a_title(title: str, compared: str) -> None:
    assert words(title) == compared
