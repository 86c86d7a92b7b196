"""Peers of the models for ranking: implicit's ALS, and of irspack EASE, SLIM, neighbours and RP3beta."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks.ranked_data import Scores

Peer = Callable[[sparse.csr_matrix, dict[str, Any], int], Scores]
"""From likes, settings and a seed to scores."""

THREADS = 2


def als(likes: sparse.csr_matrix, settings: dict[str, Any], seed: int) -> Scores:
    """ALS for implicit feedback, by implicit."""
    from implicit.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    # its own threads each call BLAS: with threads of BLAS' own besides they get into each other's way, as it warns
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(num_threads=THREADS, random_state=seed, **settings)
        model.fit(likes, show_progress=False)
    user, item = model.user_factors, model.item_factors
    return lambda users: user[users] @ item.T


def _of_irspack(name: str) -> Peer:
    def fit(likes: sparse.csr_matrix, settings: dict[str, Any], seed: int) -> Scores:
        import irspack.recommenders

        recommender = getattr(irspack.recommenders, name)
        threads = {} if name == "DenseSLIMRecommender" else {"n_threads": THREADS}
        model = recommender(likes.astype(np.float64), **settings, **threads)
        model.learn()
        return lambda users: np.asarray(model.get_score(users))

    return fit


PEERS: dict[str, Peer] = {
    "als": als,
    "ease": _of_irspack("DenseSLIMRecommender"),
    "slim": _of_irspack("SLIMRecommender"),
    "item_neighbours": _of_irspack("CosineKNNRecommender"),
    "user_neighbours": _of_irspack("CosineUserKNNRecommender"),
    "rp3beta": _of_irspack("RP3betaRecommender"),
}

SEEDED = ("als",)
"""The others draw nothing: each seed gives the same."""
