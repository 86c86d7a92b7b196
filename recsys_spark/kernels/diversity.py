"""Lists that trade some of their scores for variety, chosen out of a longer list of each user.

Maximal marginal relevance (Carbonell, Goldstein: The Use of MMR, Diversity-Based Reranking, SIGIR 1998): with C what is
chosen already, the next entry is the one of the largest

    relevance * s(i) - (1 - relevance) * max over j in C of cos(q_i, q_j),

s being the score, brought to 0 for the pool's worst entry and 1 for its best, q the items' vectors; of equals the one
with the better score. The maximum over nothing is 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys_spark.kernels.arrays import F32, I32, I64
from recsys_spark.kernels.jit import jit
from recsys_spark.kernels.lists import TopN
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.kernels.similarity import unit_rows


@dataclass(frozen=True, eq=False)
class Diversity:
    """How lists are chosen out of pools.

    Args:
        pool: entries of a pool, at most.
        relevance: see above, above 0 and at most 1; 1: by score alone.
        units: f32[n_items, k], the items' vectors, of length 1 or 0.
    """

    pool: int
    relevance: float
    units: F32

    @classmethod
    def of(cls, scorer: PairScorer, *, pool: int, relevance: float | None) -> Diversity:
        """By the vectors of a scorer's items; of none without `relevance`, which then is 1."""
        if relevance is None:
            return cls(pool, 1.0, np.zeros((scorer.n_items, 0), np.float32))
        return cls(pool, relevance, unit_rows(scorer.item))

    def in_order_of_choice(self, pools: TopN, n: int) -> TopN:
        """The first n choices of each pool, in the order in which they are chosen.

        Args:
            pools: lists, best first.
            n: entries wanted; fewer where the pool has fewer.
        """
        width = min(n, pools.items.shape[1])
        places = np.zeros((len(pools.items), width), np.int32)
        size = pools.items.shape[1]
        columns, similar, closest = (
            np.zeros((self.units.shape[1], size), np.float32),
            np.zeros(size, np.float32),
            np.zeros(size, np.float32),
        )
        _choose(pools, self.units, self.relevance, columns, similar, closest, places)
        return _taken(pools, places)

    def chosen(self, pools: TopN, n: int) -> TopN:
        """The same with the entries by score, as lists are: best first."""
        found = self.in_order_of_choice(pools, n)
        found.put_in_order()
        return found


def similarity(units: F32, items: I32, counts: I32 | I64) -> np.ndarray:
    """How alike the entries of lists are: the mean cosine over all pairs of entries, 0 for lists of fewer than two.

    Args:
        units: f32[n_items, k], vectors of length 1 or 0.
        items: i32[m, n].
        counts: entries of each row that count.

    Returns:
        f64[m].
    """
    inside = np.arange(items.shape[1]) < counts[:, None]
    vectors = units[items].astype(np.float64) * inside[:, :, None]
    total, own = vectors.sum(axis=1), (vectors**2).sum(axis=(1, 2))
    pairs = counts.astype(np.float64) * (counts - 1)
    found: np.ndarray = np.divide((total**2).sum(axis=1) - own, pairs, out=np.zeros(len(items)), where=pairs > 0)
    return found


def _taken(pools: TopN, places: I32) -> TopN:
    counts = np.minimum(pools.counts, places.shape[1]).astype(np.int32)
    inside = np.arange(places.shape[1]) < counts[:, None]
    items = np.where(inside, np.take_along_axis(pools.items, places, 1), -1).astype(np.int32)
    scores = np.where(inside, np.take_along_axis(pools.scores, places, 1), 0).astype(np.float32)
    return pools._replace(items=items, scores=scores, counts=counts)


@jit
def _choose(pools: TopN, units: F32, relevance: float, columns: F32, similar: F32, closest: F32, places: I32) -> None:
    """Fill `places`; the three arrays before it are room for one list."""
    k, width = units.shape[1], places.shape[1]
    for t in range(places.shape[0]):
        count = pools.counts[t]
        if not count:
            continue
        for i in range(count):
            closest[i] = -np.float32(np.inf)
            for c in range(k):
                columns[c, i] = units[pools.items[t, i], c]
        best, worst = pools.scores[t, 0], pools.scores[t, count - 1]
        span = float(best) - float(worst)
        for place in range(min(width, count)):
            choice, most = -1, -np.inf
            for i in range(count):
                # what is chosen has no closest one any more
                if np.isnan(closest[i]):
                    continue
                score = (float(pools.scores[t, i]) - float(worst)) / span if span > 0 else 0.0
                near = 0.0 if place == 0 else float(closest[i])
                value = relevance * score - (1.0 - relevance) * near
                if value > most:
                    choice, most = i, value
            places[t, place] = choice
            for i in range(count):
                similar[i] = np.float32(0)
            # along the list, so that a sum over columns keeps its order and many run side by side
            for c in range(k):
                own = columns[c, choice]
                for i in range(count):
                    similar[i] += columns[c, i] * own
            for i in range(count):
                if similar[i] > closest[i]:
                    closest[i] = similar[i]
            closest[choice] = np.float32(np.nan)
