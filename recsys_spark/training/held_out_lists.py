"""How well a ranking model ranks what is held out, after each epoch of its fit."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from recsys_spark.kernels.arrays import I32
from recsys_spark.kernels.list_metrics import figures_of_lists, relevant_entries
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.kernels.top_n import top_n
from recsys_spark.training.likes import Likes, items_of

VAL_NDCG = "val_ndcg"
"""Name of the figure among Keras' logs: NDCG@10."""

_K = 10

_MOST_USERS = 5_000
"""Drawn from more, the same ones at every epoch: enough for two digits, few enough to cost less than an epoch."""


class HeldOutLists(keras.callbacks.Callback):
    """Adds the mean NDCG@10 of users with a liked item among the validation rows to Keras' logs of an epoch.

    Lists hold the items that anybody liked, without those that the user has among the fitted rows.

    Args:
        scorer: gives the model as it stands, good for these users.
        fitted: all rows that lists leave out: those of the fit, or the histories of users who are held out of it.
        liked: the likes among them.
        validation: the likes among the validation rows.
        candidates: the items that the fit has likes of, where `liked` are not those of the fit.
    """

    def __init__(
        self,
        scorer: Callable[[I32], PairScorer],
        *,
        fitted: Likes,
        liked: Likes,
        validation: Likes,
        candidates: I32 | None = None,
    ) -> None:
        super().__init__()
        self._scorer, self._fitted = scorer, fitted
        self._candidates = np.unique(liked.items if candidates is None else candidates).astype(np.int32)
        users = np.intersect1d(liked.users, validation.users)
        if len(users) > _MOST_USERS:
            users = np.sort(np.random.default_rng(0).choice(users, _MOST_USERS, replace=False))
        self._users: I32 = users.astype(np.int32)
        self._relevant = items_of(validation, self._users, among=self._candidates)
        self._seen = items_of(fitted, self._users)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Measure."""
        if logs is not None and len(self._users):
            logs[VAL_NDCG] = self.ndcg()

    def ndcg(self) -> float:
        """Of the model as it stands, a mean over users."""
        relevant_offsets, relevant_items = self._relevant
        n_relevant = np.diff(relevant_offsets)
        seen_offsets, seen_items = self._seen
        lists = top_n(
            self._scorer(self._users),
            self._users,
            candidates=self._candidates,
            seen_offsets=seen_offsets,
            seen_items=seen_items,
            n=_K,
        )
        hits = relevant_entries(lists.items, lists.counts, relevant_offsets, relevant_items)
        figures = figures_of_lists(hits, np.maximum(n_relevant, 1), (_K,))
        return float(figures[n_relevant > 0, 0].mean())
