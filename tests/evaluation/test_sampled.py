"""Ranking among drawn items: what is drawn, and where the relevant ones end up."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys_spark.evaluation.sampled import Drawn, drawn_pairs, relevant_places
from recsys_spark.kernels.scorer import PairScorer

N_ITEMS = 12
CANDIDATES = np.array([0, 1, 2, 3, 5, 6, 7, 8, 9, 11], np.int32)
USERS = np.array([3, 4, 8], np.int32)
RELEVANT = (np.array([0, 2, 3, 4]), np.array([1, 5, 0, 11], np.int32))
RATED = (np.array([0, 2, 2, 10]), np.array([2, 4, 0, 1, 2, 3, 5, 6, 7, 8], np.int32))


def drawn(negatives: int, seed: int = 1) -> Drawn:
    return drawn_pairs(USERS, RELEVANT, RATED, CANDIDATES, negatives=negatives, seed=seed)


@given(negatives=st.integers(1, 20), seed=st.integers(0, 1000))
def test_drawn_are_candidates_that_the_user_has_not_rated_each_once(negatives: int, seed: int) -> None:
    pairs = drawn(negatives, seed)
    for place, user in enumerate(USERS):
        mine = pairs.owner == place
        assert (pairs.users[mine] == user).all()
        relevant = set(RELEVANT[1][RELEVANT[0][place] : RELEVANT[0][place + 1]].tolist())
        rated = set(RATED[1][RATED[0][place] : RATED[0][place + 1]].tolist())
        assert set(pairs.items[mine & pairs.relevant].tolist()) == relevant
        others = pairs.items[mine & ~pairs.relevant].tolist()
        possible = set(CANDIDATES.tolist()) - relevant - rated
        assert set(others) <= possible
        assert len(others) == len(set(others)) == min(negatives, len(possible))


def test_what_is_drawn_for_a_user_does_not_depend_on_the_others_but_on_the_seed() -> None:
    together = drawn(3)
    relevant = (np.array([0, 1]), RELEVANT[1][3:])
    rated = (np.array([0, 8]), RATED[1][2:])
    alone = drawn_pairs(USERS[2:], relevant, rated, CANDIDATES, negatives=3, seed=1)
    np.testing.assert_array_equal(alone.items, together.items[together.owner == 2])
    assert len({tuple(drawn(3, seed).items[drawn(3, seed).owner == 1]) for seed in range(8)}) > 1


def test_places_are_by_score_and_of_equal_scores_the_lower_item_comes_first() -> None:
    scores = np.array([5, 4, 0, 3, 0, 4, 9, 4, 1, 2, 0, 9], np.float32)
    scorer = PairScorer(user=np.zeros((9, 0), np.float32), item=np.zeros((N_ITEMS, 0), np.float32), item_bias=scores)
    pairs = Drawn(
        np.array([0, 0, 0, 0, 1, 1]),
        np.array([3, 3, 3, 3, 4, 4], np.int32),
        np.array([7, 5, 1, 3, 6, 11], np.int32),
        np.array([False, True, False, True, False, True]),
    )
    # the first user's: 1, 5 and 7 with 4, then 3; the second one's: 6 and 11 with 9
    places = relevant_places(scorer, pairs, n_users=2, n=5)
    assert places.tolist() == [[False, True, False, True, False], [False, True, False, False, False]]
