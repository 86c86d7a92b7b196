"""A comparison finds what is there, and nothing where there is nothing; its figures agree with scipy's."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from recsys_spark.errors import DataError
from recsys_spark.evaluation.groups import GroupSums
from recsys_spark.evaluation.paired import compared

N_GROUPS = 200


def sums(values: np.ndarray, *, users: int = 3, metric: str = "ndcg@10", split: str = "test") -> GroupSums:
    n = np.full(len(values), float(users))
    groups = tuple(range(len(values)))
    return GroupSums(split, "main", groups, ("n_users", "n_relevant", metric), np.stack([n, 4 * n, values], axis=1))


@pytest.fixture
def base() -> np.ndarray:
    return np.random.default_rng(0).random(N_GROUPS) * 3


@pytest.mark.parametrize("shift", [0.02, -0.05, 0.2])
def test_gain_interval_and_p_agree_with_scipy(base: np.ndarray, shift: float) -> None:
    gains = shift + np.random.default_rng(1).normal(scale=0.3, size=N_GROUPS)
    (found,) = compared(sums(base + gains), sums(base))

    assert found.value - found.other == pytest.approx(found.gain)
    assert found.gain == pytest.approx(gains.sum() / (3 * N_GROUPS))
    assert found.n_users == 3 * N_GROUPS
    randomised = stats.permutation_test(
        (gains,), np.sum, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(5)
    )
    assert found.p == pytest.approx(randomised.pvalue, abs=0.02)
    drawn = stats.bootstrap((gains / 3,), np.mean, method="percentile", rng=np.random.default_rng(6))
    low, high = drawn.confidence_interval
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.1 * (high - low))


def test_of_two_runs_that_differ_by_chance_one_in_twenty_seems_better(base: np.ndarray) -> None:
    random = np.random.default_rng(2)
    few = base[:30]
    chance = [compared(sums(few + random.normal(scale=0.3, size=30)), sums(few))[0].p < 0.05 for _ in range(60)]
    assert sum(chance) <= 9


def test_the_same_run_has_no_gain_and_no_doubt(base: np.ndarray) -> None:
    (found,) = compared(sums(base), sums(base))
    assert (found.gain, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_turned_round_it_says_the_opposite(base: np.ndarray) -> None:
    better = base + np.random.default_rng(3).normal(loc=0.1, size=N_GROUPS)
    (one,), (other,) = compared(sums(better), sums(base)), compared(sums(base), sums(better))
    assert (one.gain, one.p) == (-other.gain, other.p)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))


def test_other_users_and_other_metrics_cannot_be_compared(base: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"others \(600 and 800 users, 2,400 and 3,200 relevant ratings\)"):
        compared(sums(base), sums(base, users=4))
    with pytest.raises(DataError, match="a metric that both runs have"):
        compared(sums(base), sums(base, metric="ndcg@5"))


def test_sums_are_stored_to_the_bit(base: np.ndarray) -> None:
    again = GroupSums.of_dict(json.loads(json.dumps(sums(base).as_dict())))
    assert (again.split, again.scorer, again.groups) == ("test", "main", tuple(range(N_GROUPS)))
    assert again.columns == ("n_users", "n_relevant", "ndcg@10")
    np.testing.assert_array_equal(again.sums, sums(base).sums)
