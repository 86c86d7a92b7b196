"""Public ratings split user by user, and how well any way of scoring ranks what was held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from recsys_spark.kernels.list_metrics import figures_of_lists
from recsys_spark.training.rows import TrainingRows

LIKED_AT = 4
K = 10
SHARE = 0.2

F64 = npt.NDArray[np.float64]
Scores = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.floating]]
"""From users i64[m] to the scores of all items, [m, n_items]."""

_USERS_AT_ONCE = 512


@dataclass(frozen=True, eq=False)
class Split:
    """Ratings of which a part of each user's is held out.

    Args:
        fit: what is fitted, ascending by user, then item.
        held: what is held out.
        n_users: users there are.
        n_items: items there are.
    """

    fit: TrainingRows
    held: TrainingRows
    n_users: int
    n_items: int

    def inner(self) -> Split:
        """The fitted rows split once more: for settings to be chosen without a look at what is held out."""
        return split(self.fit.user, self.fit.item, self.fit.rating, seed=7, sizes=(self.n_users, self.n_items))

    def likes(self, rows: TrainingRows) -> sparse.csr_matrix:
        """The rows with a high rating as a matrix of ones."""
        liked = rows.rating >= LIKED_AT
        return self.matrix(np.ones(int(liked.sum()), np.float32), rows.user[liked], rows.item[liked])

    def matrix(self, values: npt.NDArray[np.float32], user: npt.ArrayLike, item: npt.ArrayLike) -> sparse.csr_matrix:
        """Values by user and item."""
        return sparse.csr_matrix((values, (user, item)), (self.n_users, self.n_items))


def load(data: Path, name: str) -> Split:
    """One of the public data sets, a fifth of each user's ratings held out.

    Args:
        data: the folder of the data sets.
        name: `ml-1m` or `goodbooks-10k-kaggle`, whose later rating of a pair counts.
    """
    if name == "ml-1m":
        columns = ["user", "item", "rating", "timestamp"]
        path = data / name / "ratings.dat.gz"
        table = pd.read_csv(path, sep="::", header=None, names=columns, engine="python")
    else:
        table = pd.read_csv(data / name / "ratings.csv.gz").rename(columns={"user_id": "user", "book_id": "item"})
        table = table.drop_duplicates(["user", "item"], keep="last")
    user, item = (np.unique(table[side], return_inverse=True)[1].astype(np.int32) for side in ("user", "item"))
    rating = table.rating.to_numpy(np.float32)
    return split(user, item, rating, seed=42, sizes=(int(user.max()) + 1, int(item.max()) + 1))


def split(
    user: npt.NDArray[np.int32],
    item: npt.NDArray[np.int32],
    rating: npt.NDArray[np.float32],
    *,
    seed: int,
    sizes: tuple[int, int],
) -> Split:
    """Hold a fifth of each user's ratings out, rounded, drawn at random."""
    order = np.lexsort((np.random.default_rng(seed).random(len(user)), user))
    counts = np.bincount(user, minlength=sizes[0])
    starts = np.cumsum(counts) - counts
    place = np.arange(len(user)) - starts[user[order]]
    held = np.zeros(len(user), np.bool_)
    held[order] = place < np.round(SHARE * counts[user[order]])

    def rows(which: npt.NDArray[np.bool_]) -> TrainingRows:
        chosen = np.flatnonzero(which)
        chosen = chosen[np.lexsort((item[chosen], user[chosen]))]
        part = np.zeros(len(chosen), np.uint8)
        return TrainingRows(user[chosen], item[chosen], rating[chosen], part)

    return Split(rows(~held), rows(held), *sizes)


def ndcg(scores: Scores, data: Split, users: npt.NDArray[np.int64] | None = None) -> F64:
    """NDCG@10 of each user with a liked held-out item; all items are ranked but those that the user has among `fit`.

    Args:
        scores: any way of scoring.
        data: the split.
        users: only these; none: all.

    Returns:
        f64[m], in the order of the users.
    """
    relevant = data.likes(data.held)
    seen = data.matrix(np.ones(len(data.fit), np.float32), data.fit.user, data.fit.item)
    asked = np.flatnonzero(np.diff(relevant.indptr)) if users is None else users
    found = []
    for first in range(0, len(asked), _USERS_AT_ONCE):
        some = asked[first : first + _USERS_AT_ONCE]
        matrix = np.array(scores(some), np.float32)
        rows, columns = seen[some].nonzero()
        matrix[rows, columns] = -np.inf
        best = np.argpartition(-matrix, K, axis=1)[:, :K]
        order = np.argsort(-np.take_along_axis(matrix, best, 1), axis=1, kind="stable")
        best = np.take_along_axis(best, order, 1)
        hits = np.take_along_axis(relevant[some].toarray() > 0, best, 1)
        n_relevant = np.diff(relevant.indptr)[some].astype(np.int64)
        found.append(figures_of_lists(hits, n_relevant, (K,))[:, 0])
    return np.concatenate(found)
