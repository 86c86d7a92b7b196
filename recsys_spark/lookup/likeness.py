"""How like titles are to what somebody typed: word by word, since people leave words out and misspell others."""

from __future__ import annotations

from collections.abc import Mapping

ENOUGH = 70
"""Likeness of two words (0 to 100) below which one does not stand for the other."""

CONSIDERED = 500
"""Titles that are looked at word by word, by each of two quick measures the most like."""

_OF_WORDS = 0.85


def most_like(asked: str, titles: Mapping[int, str], *, least: float, most: int) -> list[tuple[int, float]]:
    """The titles that are most like what was typed.

    The likeness of a title is 0.85 times that of its words and 0.15 times that of the whole (Levenshtein's, without
    replacements, as rapidfuzz has it). That of the words: for each word that was typed the best one of the title, if it
    is enough, the mean weighted by the letters typed.

    Args:
        asked: words in small letters.
        titles: likewise, by position.
        least: likeness, 0 to 100, that is worth telling.
        most: titles given back.

    Returns:
        Positions and likeness, best first; of equal ones the lower position.
    """
    from rapidfuzz import fuzz, process

    # the one forgives letters, the other words that are left out
    short = {
        position: title
        for scorer in (fuzz.WRatio, fuzz.token_set_ratio)
        for title, _, position in process.extract(asked, titles, scorer=scorer, limit=CONSIDERED)
    }
    found = [(position, likeness(asked, title)) for position, title in short.items()]
    worth = [(position, like) for position, like in found if like >= least]
    return sorted(worth, key=lambda one: (-one[1], one[0]))[:most]


def likeness(asked: str, title: str) -> float:
    """How like a title is to what was typed, 0 to 100; see `most_like`.

    Example:
        >>> round(likeness("hobit", "the hobbit")), round(likeness("hobit", "it"))
        (87, 9)
    """
    from rapidfuzz import fuzz

    letters = max(sum(map(len, asked.split())), 1)
    there = title.split()
    of_words = 0.0
    for word in asked.split():
        best = max((fuzz.ratio(word, other) for other in there), default=0.0)
        of_words += len(word) * best if best >= ENOUGH else 0.0
    return float(_OF_WORDS * of_words / letters + (1 - _OF_WORDS) * fuzz.ratio(asked, title))
