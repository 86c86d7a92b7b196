"""Screening by bounds keeps the contract, leaves out nearly everything, and gives the same bits on every CPU."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recsys_spark.kernels import screened_dots
from recsys_spark.kernels.arrays import F32
from recsys_spark.kernels.cpu import byte_lanes
from recsys_spark.kernels.head import head_of
from recsys_spark.kernels.lists import checked_seen
from recsys_spark.kernels.order import order_of
from recsys_spark.kernels.score32 import side_of
from recsys_spark.kernels.scorer import DenseLayer, PairScorer
from recsys_spark.kernels.screen import screened_lists
from recsys_spark.kernels.search import Exact
from recsys_spark.kernels.segments import NOTHING_CLOSED
from recsys_spark.kernels.top_n import Kernel, PreparedItems, TopN, prepare
from tests.conftest import PROJECT
from tests.contracts.kernel import KernelContract, Question, ask, assert_same, random_scorer

SCREENED = ["dot", "relu", "two relu"]

needs_byte_products = pytest.mark.skipif(not byte_lanes(), reason="this CPU has no 8-bit dot products (VNNI)")


class TestScreen(KernelContract):
    def make_lists(self, question: Question, *, items_per_block: int, users_per_tile: int) -> TopN:
        return lists(question, "screen")


class TestScreenWithSegmentsAsBits(TestScreen):
    @pytest.fixture(autouse=True)
    def no_segments_apart(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("recsys_spark.kernels.top_n._FEW_SEGMENTS", 0)


def lists(question: Question, kernel: Kernel) -> TopN:
    return ask(prepared(question, kernel), question)


def prepared(question: Question, kernel: Kernel) -> PreparedItems:
    return prepare(
        question.scorer, question.candidates, variants=question.variants, segments=question.segments, kernel=kernel
    )


def many(shape: str, *, n: int = 10, n_items: int = 3000, seed: int = 1) -> Question:
    """120 users, each with 40 seen items, the best ones among them."""
    scorer = random_scorer(seed, shape, 120, n_items, 12)
    random = np.random.default_rng(seed)
    candidates = np.flatnonzero(random.random(n_items) < 0.9).astype(np.int32)
    seen = []
    for user in range(120):
        best = np.argsort(-scorer.score(np.full(n_items, user, np.int32), np.arange(n_items, dtype=np.int32)))[:20]
        seen.append(sorted({*best.tolist(), *random.integers(0, n_items, 20).tolist()}))
    return Question(scorer, candidates, np.arange(120, dtype=np.int32), seen, n)


@pytest.mark.parametrize("shape", SCREENED)
@pytest.mark.parametrize("n", [1, 10, 300, 2900])
def test_the_lists_are_those_of_the_plain_kernel(shape: str, n: int) -> None:
    question = many(shape, n=n)

    assert_same(lists(question, "screen"), lists(question, "plain"))


@pytest.mark.parametrize("shape", SCREENED)
@pytest.mark.parametrize("magnitude", [1e-42, 1e-20, 1e-4, 1e4, 1e18])
@pytest.mark.parametrize("scale", [-0.5, 1e-30, 7])
def test_the_lists_are_the_same_at_every_magnitude(shape: str, magnitude: float, scale: float) -> None:
    question = many(shape)
    item = (question.scorer.item.astype(np.float64) * magnitude).astype(np.float32)
    question = replace(question, scorer=replace(question.scorer, item=item, scale=scale))

    assert_same(lists(question, "screen"), lists(question, "plain"))


@pytest.mark.parametrize("shape", SCREENED)
def test_a_user_whose_scores_overflow_does_not_disturb_the_others(shape: str) -> None:
    question = many(shape)
    user = question.scorer.user.copy()
    user[[3, 77]] = 3e38
    question = replace(question, scorer=replace(question.scorer, user=user))
    found = lists(question, "screen")

    assert not found.finite.all()
    assert found.finite.sum() >= 118
    assert_same(found, lists(question, "plain"))


@pytest.mark.parametrize("shape", SCREENED)
def test_users_far_from_all_others_get_their_lists(shape: str) -> None:
    question = many(shape)
    user = question.scorer.user.copy()
    user[7] *= 1000
    user[8] = 0
    question = replace(question, scorer=replace(question.scorer, user=user))

    assert_same(lists(question, "screen"), lists(question, "plain"))


@pytest.mark.parametrize("shape", ["relu", "two relu"])
def test_units_without_weight_or_without_any_spread_are_coded_too(shape: str) -> None:
    question = many(shape)
    hidden, *inner, output = question.scorer.layers
    weight, first = output.weight.copy(), hidden.weight.copy()
    weight[::3] = 0
    first[:, 1::4] = 0
    layers = (replace(hidden, weight=first), *inner, replace(output, weight=weight))
    question = replace(question, scorer=replace(question.scorer, layers=layers))

    assert_same(lists(question, "screen"), lists(question, "plain"))


@needs_byte_products
@pytest.mark.parametrize("shape", SCREENED)
def test_nearly_all_pairs_are_left_out_by_the_bound(shape: str) -> None:
    question = many(shape, n_items=6000)
    found = lists(replace(question, n=5), "auto")

    assert found.screened.all()
    assert found.scored.min() >= 5
    assert found.scored.sum() < 0.05 * len(question.users) * len(question.candidates)


@needs_byte_products
def test_users_of_small_norm_leave_out_whole_blocks() -> None:
    random = np.random.default_rng(0)
    item = random.standard_normal((5000, 8)).astype(np.float32) * np.linspace(4, 0.01, 5000, dtype=np.float32)[:, None]
    scorer, users = PairScorer(random.standard_normal((50, 8)).astype(np.float32), item), np.arange(50, dtype=np.int32)
    by_liking = screened_dots.liked_first(scorer, np.arange(5000, dtype=np.int32))
    order = order_of(by_liking, np.ones(5000, np.int64))
    items = screened_dots.screen_items(scorer, order)
    coded, _ = screened_dots.screen_users(scorer, users, items)
    nothing = np.empty((0, 0), np.float32)
    exact = Exact(
        side_of(scorer.user, None),
        side_of(scorer.item, None),
        head_of(scorer),
        nothing,
        nothing,
        nothing[0:0].reshape(-1),
    )
    seen = checked_seen(np.zeros(51, np.int64), np.empty(0, np.int32), n_users=50)

    bounded = screened_lists(
        exact, users, coded, items, order, seen, NOTHING_CLOSED, np.float32(-np.inf), TopN.empty(50, 5)
    )

    assert 0 < bounded < 0.8 * 50 * 5000


def test_what_cannot_be_screened_is_scored_plainly() -> None:
    question = many("levels", n_items=300)
    found = lists(question, "screen")

    assert not found.screened.any()
    assert set(found.scored) == {len(question.candidates)}


def digest_of_some_lists() -> str:
    digest = hashlib.sha256()
    for shape in SCREENED:
        found = lists(many(shape, n_items=800), "screen")
        for part in (found.items, found.scores, found.counts, found.finite):
            digest.update(part.tobytes())
    return digest.hexdigest()


def tensor(*shape: int) -> F32:
    return np.ones(shape, np.float32)


ON_ANOTHER_CPU = """
from recsys_spark.kernels.cpu import byte_lanes
from tests.kernels.test_screen import digest_of_some_lists
print(byte_lanes(), digest_of_some_lists())
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="these are features of x86-64")
@pytest.mark.parametrize(
    ("cpu", "flags", "lanes"),
    [
        ("x86-64-v3", "+avx2,+fma,+avxvnni", 8),
        ("x86-64-v4", "+avx2,+fma,+avx512f,+avx512bw,+avx512dq,+avx512vl,+avx512vnni", 16),
        ("x86-64-v4", "+avx2,+fma,+avx512f,+avx512bw,+avx512dq,+avx512vl", 0),
        ("x86-64", "", 0),
    ],
    ids=["AVX2 with VNNI", "AVX-512 with VNNI", "AVX-512 without VNNI", "the oldest"],
)
def test_every_kind_of_cpu_gives_the_same_bits(tmp_path: Path, cpu: str, flags: str, lanes: int) -> None:
    if not _can_run(flags):
        pytest.skip(f"this CPU has not all of {flags}")
    other = {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": flags, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", ON_ANOTHER_CPU],
        cwd=PROJECT,
        env=os.environ | other,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(lanes), digest_of_some_lists()]


def _can_run(flags: str) -> bool:
    import llvmlite.binding as llvm

    present = llvm.get_host_cpu_features()
    return all(present.get(flag[1:], False) for flag in flags.split(",") if flag)


def test_a_hidden_layer_of_another_kind_is_not_screened() -> None:
    def with_activations(*names: str) -> PairScorer:
        widths = [4] * len(names[:-1]) + [1]
        layers = tuple(DenseLayer(tensor(4, k), tensor(k), name) for k, name in zip(widths, names, strict=True))
        return PairScorer(tensor(2, 2), tensor(300, 2), layers=layers)

    candidates = np.arange(300, dtype=np.int32)
    assert prepare(with_activations("relu", "linear"), candidates).screens == bool(byte_lanes())
    assert not prepare(with_activations("tanh", "linear"), candidates).screens
    assert prepare(with_activations("relu", "relu", "linear"), candidates).screens == bool(byte_lanes())
    assert not prepare(with_activations("relu", "tanh", "linear"), candidates).screens
    assert not prepare(with_activations("relu", "relu", "relu", "linear"), candidates).screens
    assert not prepare(with_activations("relu", "linear"), candidates, kernel="plain").screens


@needs_byte_products
@pytest.mark.parametrize("shape", ["relu", "two relu"])
def test_candidates_coded_in_parts_give_the_same_lists(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    question = many(shape)
    even = np.arange(question.scorer.n_items) % 2 == 0
    question = replace(
        question,
        variants=[~even, np.ones_like(even), even],
        eligible=[np.flatnonzero(even).tolist(), list(range(2000))],
        segment=[user % 3 - 1 for user in question.users],
    )
    whole = lists(question, "screen")
    monkeypatch.setattr("recsys_spark.kernels.top_n._CODED_AT_ONCE", 40_000)

    in_parts = prepared(question, "screen")

    assert in_parts.users_at_once > prepared(many("dot"), "screen").users_at_once
    assert_same(ask(in_parts, question), whole)
    assert_same(whole, lists(question, "plain"))


def test_bits_of_segments_that_are_not_kept_are_made_for_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    question = many("dot")
    question = replace(
        question,
        eligible=[list(range(s, 3000, 7)) for s in range(5)],
        segment=[(5 * user) % 6 - 1 for user in question.users],
    )
    apart = lists(question, "screen")
    monkeypatch.setattr("recsys_spark.kernels.top_n._FEW_SEGMENTS", 0)
    kept = lists(question, "screen")
    assert_same(kept, apart)
    monkeypatch.setattr("recsys_spark.kernels.segments._KEPT", 0)

    assert_same(lists(question, "screen"), kept)
    assert_same(lists(question, "plain"), kept)
