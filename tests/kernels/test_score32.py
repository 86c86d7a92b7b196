"""`score32` is what its docstring says: by cases a reader can work out, against float64, and on every CPU."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from recsys_spark.errors import DataError
from recsys_spark.kernels.score32 import score_pairs
from recsys_spark.kernels.scorer import DenseLayer, PairScorer
from tests.contracts.kernel import random_scorer
from tests.kernels.reference import reference

PROJECT = Path(__file__).resolve().parents[2]


def f32(*values: object) -> np.ndarray:
    return np.array(values, np.float32)


def score(scorer: PairScorer, user: int = 0, item: int = 0) -> float:
    return float(score_pairs(scorer, np.array([user], np.int32), np.array([item], np.int32))[0])


def test_a_dot_product_with_biases_scale_and_offset() -> None:
    scorer = PairScorer(
        user=f32([1, 2]), item=f32([3, 4], [5, 6]), user_bias=f32(10), item_bias=f32(100, 200), scale=2, offset=0.5
    )

    assert score(scorer, item=0) == 2 * (3 + 8 + 10 + 100) + 0.5
    assert score(scorer, item=1) == 2 * (5 + 12 + 10 + 200) + 0.5


def test_biases_alone_make_a_scorer() -> None:
    nothing = np.empty((1, 0), np.float32)

    assert score(PairScorer(nothing, nothing, user_bias=f32(2), item_bias=f32(3), offset=3.5)) == 8.5
    assert score(PairScorer(nothing, nothing, offset=3.5)) == 3.5


def test_one_dense_layer_is_a_weighted_sum_of_both_sides() -> None:
    scorer = PairScorer(f32([2]), f32([3]), layers=(DenseLayer(f32([10], [100]), f32(1), "linear"),))

    assert score(scorer) == 10 * 2 + 100 * 3 + 1


def test_three_dense_layers_by_hand() -> None:
    layers = (
        DenseLayer(f32([1, -1], [1, 1]), f32(0, 0), "relu"),  # 2 + 3 = 5 and 3 - 2 = 1
        DenseLayer(f32([1, -2], [1, 1]), f32(4, 4), "relu"),  # 4 + 5 + 1 = 10 and 4 - 10 + 1 < 0
        DenseLayer(f32([3], [1000]), f32(0.5), "linear"),  # 30.5
    )

    assert score(PairScorer(f32([2]), f32([3]), layers=layers)) == 30.5


def test_the_last_activation_counts() -> None:
    layers = (DenseLayer(f32([1], [1]), f32(-10), "relu"),)

    assert score(PairScorer(f32([2]), f32([3]), layers=layers, scale=2, offset=7)) == 7


def test_levels_give_the_expected_level() -> None:
    certain = (DenseLayer(f32([0, 0, 0], [0, 0, 0]), f32(0, 500, 0), "linear"),)
    undecided = (DenseLayer(f32([0, 0, 0], [0, 0, 0]), f32(7, 7, 7), "linear"),)

    assert score(PairScorer(f32([1]), f32([1]), layers=certain, levels=f32(1, 2, 6))) == 2
    assert score(PairScorer(f32([1]), f32([1]), layers=undecided, levels=f32(1, 2, 6))) == 3


def test_sums_run_in_the_order_of_the_columns() -> None:
    assert score(PairScorer(f32([1e8, 1, -1e8]), f32([1, 1, 1]))) == 0  # the 1 is lost before 1e8 is taken off
    assert score(PairScorer(f32([1e8, -1e8, 1]), f32([1, 1, 1]))) == 1


def test_multiply_and_add_is_rounded_once() -> None:
    near_one = 1 + 2**-12  # its square is 1 + 2^-11 + 2^-24, one bit too long for float32

    assert score(PairScorer(f32([1, near_one]), f32([-(1 + 2**-11), near_one]))) == 2**-24


def test_the_score_is_not_clipped_but_the_published_one_is() -> None:
    scorer = PairScorer(f32([3]), f32([3], [-1]), clip=(1, 5))
    scores = scorer.score(np.array([0, 0], np.int32), np.array([0, 1], np.int32))

    assert scores.tolist() == [9, -3]
    assert scorer.published(scores).tolist() == [5, 1]


@pytest.mark.parametrize("shape", ["dot", "layers", "levels"])
@pytest.mark.parametrize("seed", range(8))
def test_scores_agree_with_float64(shape: str, seed: int) -> None:
    scorer = random_scorer(seed, shape, 30, 50, 12)
    random = np.random.default_rng(seed)
    users, items = random.integers(0, 30, 1000), random.integers(0, 50, 1000)
    expected = reference(scorer, users, items)

    np.testing.assert_allclose(score_pairs(scorer, users, items), expected, rtol=1e-5, atol=1e-5 * expected.std())


@pytest.mark.parametrize("shape", ["dot", "layers", "levels"])
def test_a_pair_scores_the_same_alone_and_among_others(shape: str) -> None:
    scorer = random_scorer(5, shape, 30, 50, 12)
    users, items = np.repeat(np.arange(30), 50), np.tile(np.arange(50), 30)
    together = score_pairs(scorer, users, items)
    alone = [score(scorer, users[n], items[n]) for n in range(0, 1500, 37)]

    np.testing.assert_array_equal(together[::37], np.array(alone, np.float32))


def test_unknown_indices_and_unequal_lengths_are_refused() -> None:
    scorer = random_scorer(1, "dot", 3, 4, 2)

    with pytest.raises(DataError, match=r"users: expected indices from 0 to 2, found 3 at position 1"):
        scorer.score(np.array([0, 3], np.int32), np.array([0, 0], np.int32))
    with pytest.raises(DataError, match=r"items: expected indices from 0 to 3, found -1 at position 0"):
        scorer.score(np.array([0], np.int32), np.array([-1], np.int32))
    with pytest.raises(DataError, match=r"expected one for each of the 1 users, found 2 items"):
        scorer.score(np.array([0], np.int32), np.array([1, 2], np.int32))
    with pytest.raises(DataError, match=r"expected a one-dimensional array of integers"):
        scorer.score(np.array([0.5]), np.array([1], np.int32))


def digest_of_some_scores() -> str:
    digest = hashlib.sha256()
    for seed, shape in enumerate(["dot", "layers", "levels", "layers", "layers", "levels"]):
        scorer = random_scorer(seed, shape, 20, 30, 7)
        digest.update(scorer.score(np.repeat(np.arange(20), 30), np.tile(np.arange(30), 20)).tobytes())
    return digest.hexdigest()


ON_ANOTHER_HOST = """
from recsys_spark.kernels.score32 import score_dots
from tests.kernels.test_score32 import digest_of_some_scores
print(digest_of_some_scores(), "vfmadd" in "".join(score_dots.inspect_asm().values()))
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only x86-64 has hosts with and without fma")
@pytest.mark.slow
def test_a_cpu_without_fma_and_wide_vectors_gives_the_same_bits(tmp_path: Path) -> None:
    oldest = {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", ON_ANOTHER_HOST],
        cwd=PROJECT,
        env=os.environ | oldest,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    digest, has_fma = done.stdout.split()
    assert has_fma == "False"
    assert digest == digest_of_some_scores()


@pytest.mark.parametrize("shape", ["dot", "relu", "layers", "levels"])
@pytest.mark.parametrize("seed", [4, 5])
def test_a_transposed_scorer_has_the_same_bits(shape: str, seed: int) -> None:
    scorer = random_scorer(seed, shape, 20, 30, 5)
    random = np.random.default_rng(seed)
    users, items = random.integers(0, 20, 300).astype(np.int32), random.integers(0, 30, 300).astype(np.int32)

    other_way = scorer.transpose()

    np.testing.assert_array_equal(
        other_way.score(items, users).view(np.int32), scorer.score(users, items).view(np.int32)
    )
    assert other_way.transpose().transposed == scorer.transposed
