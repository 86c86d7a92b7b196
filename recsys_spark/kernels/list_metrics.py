"""How good lists are, user by user: binary relevance, all candidates ranked.

With r_j whether the j-th entry of a list is relevant, R the number of the user's relevant items, and sums over the
first k entries (fewer where the list is shorter):

| metric | value |
| --- | --- |
| `precision@k` | sum r_j / k |
| `recall@k` | sum r_j / R |
| `hit_rate@k` | 1 if any r_j, else 0 |
| `mrr@k` | 1 / j of the first relevant entry, 0 if there is none |
| `map@k` | sum over relevant entries of (precision among the first j) / R |
| `ndcg@k` | sum r_j / log2(j + 1), divided by the same sum of the best list, min(R, k) relevant entries first |

Definitions as in trec_eval (`P`, `recall`, `success`, `recip_rank`, `map_cut`, `ndcg_cut`); NDCG after Jaervelin and
Kekaelaeinen: Cumulated Gain-Based Evaluation of IR Techniques, 2002.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from recsys_spark.kernels.arrays import I32, I64, Flags

F64 = npt.NDArray[np.float64]

METRICS = ("ndcg", "recall", "precision", "map", "mrr", "hit_rate")
"""In the order in which `figures_of_lists` gives them, for each k."""


def names(cutoffs: Sequence[int], *, sampled: bool = False) -> tuple[str, ...]:
    """Of the columns of `figures_of_lists`: `ndcg@10`, `recall@10`, ...; of drawn items `ndcg_sampled@10`, ..."""
    kind = "_sampled" if sampled else ""
    return tuple(f"{metric}{kind}@{k}" for k in cutoffs for metric in METRICS)


def relevant_entries(items: I32, counts: I32 | I64, relevant_offsets: I64, relevant_items: I32) -> Flags:
    """Which entries of lists are relevant for their users.

    Args:
        items: i32[m, n], a list in each row.
        counts: int[m], how many entries of a row count.
        relevant_offsets: i64[m + 1], where each user's relevant items begin and end.
        relevant_items: i32[...], for each user ascending, without repetition.

    Returns:
        bool[m, n]; what lies behind the end of a list is not relevant.
    """
    m, n = items.shape
    owner = np.repeat(np.arange(m, dtype=np.int64), np.diff(relevant_offsets))
    # user and item in one number: both arrays ascend by it
    known = (owner << 32) | relevant_items
    asked = (np.arange(m, dtype=np.int64)[:, None] << 32) | items
    place = np.searchsorted(known, asked)
    found: Flags = np.append(known, -1)[place] == asked
    return found & (np.arange(n) < counts[:, None])


def figures_of_lists(relevant: Flags, n_relevant: I64, cutoffs: Sequence[int]) -> F64:
    """Every metric of every list.

    Args:
        relevant: bool[m, n], which entries are relevant, best first.
        n_relevant: i64[m], how many relevant items each user has, at least 1.
        cutoffs: each k; may exceed n, then whatever is missing is not relevant.

    Returns:
        f64[m, len(names(cutoffs))].
    """
    m, n = relevant.shape
    places = np.arange(1, n + 1)
    gains = relevant / np.log2(places + 1)
    hits = np.cumsum(relevant, axis=1)
    precise = np.cumsum(relevant * hits / places, axis=1)
    gained = np.cumsum(gains, axis=1)
    ideal = np.concatenate(([0.0], np.cumsum(1 / np.log2(np.arange(1, max(cutoffs) + 1) + 1))))
    first = np.where(relevant.any(axis=1), relevant.argmax(axis=1) + 1, 0) if n else np.zeros(m, np.int64)
    columns = []
    for k in cutoffs:
        last = min(k, n) - 1
        zero = np.zeros(m)
        found, precision_sum, gain = (c[:, last] if n else zero for c in (hits, precise, gained))
        early = (first > 0) & (first <= k)
        columns += [
            gain / ideal[np.minimum(n_relevant, k)],
            found / n_relevant,
            found / k,
            precision_sum / n_relevant,
            np.divide(1.0, first, out=np.zeros(m), where=early),
            early.astype(np.float64),
        ]
    return np.stack(columns, axis=1)


def gini(exposure: npt.ArrayLike) -> float:
    """How unevenly entries are dealt out to items: 0, all the same, to nearly 1, one item has them all.

    G = sum over items in ascending order of (2 i - n - 1) x_i / (n sum x), i from 1 (Gini 1912; as in Castells, Hurley,
    Vargas: Novelty and Diversity in Recommender Systems, 2015). 0 for no entries at all.
    """
    x = np.sort(np.asarray(exposure, np.float64))
    total, n = x.sum(), len(x)
    if not total:
        return 0.0
    return float(((2 * np.arange(1, n + 1) - n - 1) @ x) / (n * total))
