"""Ranking against a few items drawn by chance, as some papers measure it: only to compare with those.

Each user's relevant items are ranked among `negatives` candidates drawn evenly from what the user has not rated. Such
figures are much larger than those over all candidates, and may order models differently (Krichene, Rendle: On Sampled
Metrics for Item Recommendation, KDD 2020), so they have names of their own: `ndcg_sampled@10` and so on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsys_spark.kernels.arrays import I32, I64, Flags
from recsys_spark.kernels.scorer import PairScorer


class Drawn(NamedTuple):
    """The pairs that are ranked for some users."""

    owner: I64
    """i64[n], position of the user, ascending."""

    users: I32
    """i32[n], indices."""

    items: I32
    """i32[n], indices."""

    relevant: Flags
    """bool[n]"""


def drawn_pairs(
    users: I32, relevant: tuple[I64, I32], rated: tuple[I64, I32], candidates: I32, *, negatives: int, seed: int
) -> Drawn:
    """The relevant items of each user, and items drawn beside them.

    Args:
        users: i32[m], indices. What is drawn for a user depends on the seed and the index alone.
        relevant: i64[m + 1] and i32[...], each user's relevant items.
        rated: likewise, all other items that are not to be drawn.
        candidates: i32[c], ascending.
        negatives: drawn for each user; fewer where there are no more.
        seed: of the draws.
    """
    owners, items, flags = [], [], []
    for place, user in enumerate(users):
        mine = relevant[1][relevant[0][place] : relevant[0][place + 1]]
        known = rated[1][rated[0][place] : rated[0][place + 1]]
        others = np.setdiff1d(candidates, np.concatenate((mine, known)), assume_unique=True)
        random = np.random.default_rng([seed, int(user)])
        chosen = random.choice(others, min(negatives, len(others)), replace=False, shuffle=False)
        items += [mine, chosen.astype(np.int32)]
        flags += [np.ones(len(mine), np.bool_), np.zeros(len(chosen), np.bool_)]
        owners.append(np.full(len(mine) + len(chosen), place, np.int64))
    owner = np.concatenate(owners)
    return Drawn(owner, users[owner], np.concatenate(items), np.concatenate(flags))


def relevant_places(scorer: PairScorer, drawn: Drawn, *, n_users: int, n: int) -> Flags:
    """Which of the first n places of each user's drawn items are relevant, best score first, then the lower index.

    Returns:
        bool[n_users, n].
    """
    scores = scorer.score(drawn.users, drawn.items)
    order = np.lexsort((drawn.items, -scores, drawn.owner))
    starts = np.searchsorted(drawn.owner, np.arange(n_users))
    place = np.arange(len(order)) - starts[drawn.owner]
    found = np.zeros((n_users, n), np.bool_)
    first = place < n
    found[drawn.owner[first], place[first]] = drawn.relevant[order][first]
    return found
