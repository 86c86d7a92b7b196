"""Lower bounds raise thresholds no further than they may."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_spark.kernels.search import learn, new_search

SETTINGS = settings(max_examples=100, deadline=None, derandomize=True)
BOUNDS = st.sampled_from([-2.0, 0.0, 0.5, 0.5000001, 3.0])


@SETTINGS
@given(st.lists(st.tuples(st.integers(0, 7), BOUNDS), max_size=30), st.integers(1, 4))
def test_a_threshold_is_the_last_of_the_best_lower_bounds_of_its_list(arrived: list[tuple[int, float]], n: int) -> None:
    search = new_search(2, 1, 3, n, np.float32(-np.inf), own_rooms=True)
    search.lower.least[1, :] = -np.inf

    for members, bound in arrived:
        learn(search.lower, 1, members, bound)

    for v in range(3):
        best = sorted((bound for members, bound in arrived if members >> v & 1), reverse=True)[:n]
        assert sorted(search.lower.bounds[1, v, : len(best)].tolist(), reverse=True) == best
        assert search.lower.least[1, v] == (best[-1] if len(best) == n else -np.inf)
