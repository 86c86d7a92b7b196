"""The figure that fits stop by is the one that evaluation reports."""

from __future__ import annotations

import numpy as np
import pytest

from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.training import held_out_lists
from recsys_spark.training.held_out_lists import VAL_NDCG, HeldOutLists
from recsys_spark.training.likes import likes_of, listed
from tests.training.test_likes import rows_of

SIZES = {"n_users": 4, "n_items": 6}
FITTED = rows_of((0, 0, 5), (0, 1, 1), (1, 2, 5), (1, 3, 5), (2, 4, 5), (3, 3, 1))
HELD_OUT = rows_of((0, 2, 5), (0, 4, 5), (1, 4, 5), (1, 0, 2), (2, 5, 5), (3, 2, 5))
SCORES = np.array([9, 8, 1, 2, 3, 99], np.float32)
"""Of the items, the same for every user."""


def measured() -> HeldOutLists:
    return HeldOutLists(
        lambda users: PairScorer(
            user=np.zeros((4, 0), np.float32), item=np.zeros((6, 0), np.float32), item_bias=SCORES.copy()
        ),
        fitted=listed(FITTED, FITTED.rating, **SIZES),
        liked=likes_of(FITTED, at=4, **SIZES),
        validation=likes_of(HELD_OUT, at=4, **SIZES),
    )


def test_it_is_the_mean_ndcg_of_users_with_a_like_on_both_sides() -> None:
    # candidates are 0, 2, 3, 4: the liked ones. User 0 sees 4, 3, 2 and likes 4 and 2; user 1 sees 0, 4 and likes 4;
    # nothing that user 2 likes is a candidate, and user 3 has no like to learn from
    of_0 = (1 + 1 / np.log2(4)) / (1 + 1 / np.log2(3))
    of_1 = 1 / np.log2(3)
    logs = {"loss": 1.0}
    measured().on_epoch_end(0, logs)
    assert logs[VAL_NDCG] == pytest.approx((of_0 + of_1) / 2, rel=1e-12)


def test_of_many_users_the_same_ones_are_drawn_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out_lists, "_MOST_USERS", 2)
    found = [measured().ndcg() for _ in range(3)]
    assert found[0] == found[1] == found[2]
