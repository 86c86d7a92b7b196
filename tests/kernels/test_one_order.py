"""Where one order serves all lists, they are those of scoring every pair, to the bit."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_spark.kernels import one_order
from recsys_spark.kernels.lists import TopN
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.kernels.top_n import prepare

# of very different sizes, so that sums of different biases are rounded to the same score
BIASES = st.sampled_from([0.0, -0.0, 1.0, 1.0 + 2**-23, 1.0 - 2**-24, 3.0, -7.5, 2.0**24, -(2.0**24), 1e-30, 5e8])


def lists(scorer: PairScorer, kernel: str, candidates: list[int], seen: list[list[int]], n: int, floor: float) -> TopN:
    offsets = np.cumsum([0, *map(len, seen)]).astype(np.int64)
    items = np.array([item for of_user in seen for item in of_user], np.int32)
    prepared = prepare(scorer, np.array(candidates, np.int32), kernel=kernel)  # type: ignore[arg-type]
    users = np.arange(len(seen), dtype=np.int32)
    return prepared.top_n(users, seen_offsets=offsets, seen_items=items, n=n, min_score=floor)


@given(data=st.data(), scale=st.sampled_from([1.0, 0.3, 2.0**-10]), offset=st.sampled_from([0.0, 3.5, 1e9]))
@settings(deadline=None, max_examples=300)
def test_lists_are_those_of_every_pair(data: st.DataObject, scale: float, offset: float) -> None:
    n_items = data.draw(st.integers(1, 30))
    items = data.draw(st.lists(BIASES, min_size=n_items, max_size=n_items))
    users = data.draw(st.lists(BIASES, min_size=1, max_size=4))
    has = data.draw(st.tuples(st.booleans(), st.booleans()))
    scorer = PairScorer(
        np.zeros((len(users), 0), np.float32),
        np.zeros((n_items, 0), np.float32),
        np.array(users, np.float32) if has[0] else None,
        np.array(items, np.float32) if has[1] else None,
        scale=scale,
        offset=offset,
    )
    subset = st.sets(st.integers(0, n_items - 1)).map(sorted)
    candidates, seen = data.draw(subset), [data.draw(subset) for _ in users]
    n, floor = data.draw(st.integers(1, 35)), data.draw(st.sampled_from([-np.inf, 0.0, 1.0, 3.5]))
    assert one_order.fits(scorer)
    found, plain = (lists(scorer, kernel, candidates, seen, n, floor) for kernel in ("auto", "plain"))
    for name in ("items", "scores", "counts", "finite"):
        np.testing.assert_array_equal(getattr(found, name), getattr(plain, name), err_msg=name)


def test_who_has_a_score_that_is_not_finite_has_no_list() -> None:
    user, item = np.array([0, 3e38], np.float32), np.array([1, 3e38, 2], np.float32)
    nothing = (np.zeros((2, 0), np.float32), np.zeros((3, 0), np.float32))
    scorer = PairScorer(*nothing, user, item)
    found, plain = (lists(scorer, kernel, [0, 1, 2], [[1], [1]], 2, -np.inf) for kernel in ("auto", "plain"))
    np.testing.assert_array_equal(found.finite, plain.finite)
    np.testing.assert_array_equal(found.counts, plain.counts)
    assert found.finite.tolist() == [True, False]


def test_a_list_looks_at_few_candidates_only() -> None:
    n_items = 5000
    scorer = PairScorer(
        np.zeros((1, 0), np.float32), np.zeros((n_items, 0), np.float32), None, np.arange(n_items, dtype=np.float32)
    )
    found = lists(scorer, "auto", list(range(n_items)), [[4997, 4999]], 3, -np.inf)
    np.testing.assert_array_equal(found.items, [[4998, 4996, 4995]])
    assert found.scored[0] < 10
