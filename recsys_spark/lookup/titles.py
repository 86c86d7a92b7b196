"""Items by what people call them: an id, a title, or nearly a title."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recsys_spark.errors import NotFoundError
from recsys_spark.lookup.likeness import most_like
from recsys_spark.lookup.terminal import harmless

if TYPE_CHECKING:
    from recsys_spark.reader import Output

CLEAR = 80
"""Likeness (0 to 100) from which a title may be taken for the one that was meant, ..."""

LEAD = 3
"""... if it is by this much more like it than the next one."""

WORTH_TELLING = 55
"""Likeness from which a title is told as one of the nearest."""

TOLD = 6
"""Titles told, at most."""


@dataclass(frozen=True)
class Item:
    """An item, and how it was found.

    Args:
        item_id: in the source's own type.
        title: none: the items' table has none.
        taken_for: what was asked for, if that is neither its id nor its title.
    """

    item_id: Any
    title: str | None
    taken_for: str | None = None

    @property
    def name(self) -> str:
        """Its title with its id, or the id alone, on one line."""
        return harmless(f"item {self.item_id}" if self.title is None else f"{self.title} (item {self.item_id})")

    @property
    def notes(self) -> list[str]:
        """A line that says what was taken for what; none if there is no doubt."""
        return [] if self.taken_for is None else [f"taken for {self.taken_for!r}: {self.name}"]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {"item_id": self.item_id, "title": self.title}


def titles_of(output: Output, item_ids: Iterable[Any]) -> dict[Any, str | None]:
    """The titles of some items by their ids; none for an item without one."""
    wanted = sorted(set(item_ids))
    if not wanted or not output.has("items"):
        return {}
    rows = output.rows("items", ["item_id", "title"], item_id=wanted)
    return dict(zip(rows["item_id"].to_pylist(), rows["title"].to_pylist(), strict=True))


def find_item(output: Output, wanted: str) -> Item:
    """The item of an id, of a title, or of the title that is clearly the nearest.

    Args:
        output: whose table `items` is searched.
        wanted: an id; a title; a title without what stands in brackets behind it, with its words in another order, or
            written not quite like that.

    Raises:
        NotFoundError: no item is meant clearly; the nearest are told.
    """
    rows = output.rows("items", ["item_id", "title"])
    ids, titles = rows["item_id"].to_pylist(), rows["title"].to_pylist()
    for position, item_id in enumerate(ids):
        if str(item_id) == wanted:
            return Item(item_id, titles[position])
    titled = {position: title for position, title in enumerate(titles) if title is not None}
    if not titled:
        raise _not_found(wanted, found="none of that id, and the items have no titles", nearest=_near_ids(wanted, ids))
    same = [position for position, title in titled.items() if title == wanted]
    alike = same or _alike(wanted, titled)
    if len(alike) == 1:
        return Item(ids[alike[0]], titled[alike[0]], None if same else wanted)
    if alike:
        near = [(ids[position], titled[position]) for position in alike[:TOLD]]
        raise _not_found(wanted, found=f"{len(alike)} items", nearest=near)
    scored = _nearest(wanted, titled)
    if scored and scored[0][1] >= CLEAR and (len(scored) == 1 or scored[0][1] - scored[1][1] >= LEAD):
        position = scored[0][0]
        return Item(ids[position], titled[position], wanted)
    near = [(ids[position], titled[position]) for position, _ in scored]
    found = "several that come near" if scored and scored[0][1] >= CLEAR else "none of that id or title"
    raise _not_found(wanted, found=found, nearest=near)


def words(title: str) -> str:
    """What is compared of a title: its words in small letters, without signs and what stands in brackets at the end.

    Example:
        >>> words("The Hunger Games (The Hunger Games, #1)"), words("Toy Story (1995)")
        ('the hunger games', 'toy story')
    """
    bare = re.sub(r"\s*(\([^()]*\)\s*)+$", "", title) or title
    return " ".join(re.findall(r"\w+", bare.casefold())) or title.casefold()


def _alike(wanted: str, titled: Mapping[int, str]) -> list[int]:
    """The positions of titles of the same words, in the same order if there are any such, else in any order."""
    asked = words(wanted)
    compared = {position: words(title) for position, title in titled.items()}
    in_order = [position for position, text in compared.items() if text == asked]
    bag = sorted(asked.split())
    return in_order or [
        position for position, text in compared.items() if len(text) == len(asked) and sorted(text.split()) == bag
    ]


def _nearest(wanted: str, titled: Mapping[int, str]) -> list[tuple[int, float]]:
    """The positions of the titles that are most like what is wanted, with their likeness, best first."""
    compared = {position: words(title) for position, title in titled.items()}
    return most_like(words(wanted), compared, least=WORTH_TELLING, most=TOLD)


def _near_ids(wanted: str, ids: Sequence[Any]) -> list[tuple[Any, None]]:
    from recsys_spark.nearest import nearest

    if ids and isinstance(ids[0], int) and not re.fullmatch(r"-?\d{1,30}", wanted):
        return []
    return [(item_id, None) for item_id in nearest(wanted, ids)]


def _not_found(wanted: str, *, found: str, nearest: Sequence[tuple[Any, str | None]]) -> NotFoundError:
    lines = [harmless(f"{item_id}" if title is None else f"{item_id}  {title}") for item_id, title in nearest]
    hint = "the nearest, by id:\n    " + "\n    ".join(lines) if lines else "an item is named by its id or its title"
    return NotFoundError(f"item {wanted!r}", expected="an id or a title of one item", found=found, hint=hint)
