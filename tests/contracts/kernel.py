"""What every way of making lists promises: the very rows of brute force, to the bit, however the work is cut up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_spark.errors import DataError
from recsys_spark.kernels.arrays import F32, I32, I64, Flags
from recsys_spark.kernels.score32 import score_pairs
from recsys_spark.kernels.scorer import ACTIVATIONS, DenseLayer, PairScorer
from recsys_spark.kernels.segments import Segments
from recsys_spark.kernels.top_n import PreparedItems, TopN

CONTRACT = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.differing_executors],
)


@dataclass(frozen=True, eq=False)
class Question:
    """A scorer, and for each of some users the seen items."""

    scorer: PairScorer
    candidates: I32
    users: I32
    seen: Sequence[Sequence[int]]
    n: int
    variants: Sequence[Flags] = ()
    min_score: float = -np.inf
    eligible: Sequence[Sequence[int]] | None = None
    """Of each segment."""

    segment: Sequence[int] = ()

    @property
    def segments(self) -> Segments | None:
        if self.eligible is None:
            return None
        offsets = np.cumsum([0, *(len(items) for items in self.eligible)]).astype(np.int64)
        return Segments(offsets, np.array([item for items in self.eligible for item in items], np.int32))

    @property
    def seen_offsets(self) -> I64:
        return np.cumsum([0, *(len(items) for items in self.seen)]).astype(np.int64)

    @property
    def seen_items(self) -> I32:
        return np.array([item for items in self.seen for item in items], np.int32)


def ask(prepared: PreparedItems, question: Question) -> TopN:
    """The lists that a prepared item side makes."""
    return prepared.top_n(
        question.users,
        seen_offsets=question.seen_offsets,
        seen_items=question.seen_items,
        n=question.n,
        min_score=question.min_score,
        segment=None if question.eligible is None else np.array(question.segment, np.int32),
    )


def random_scorer(seed: int, shape: str, n_users: int, n_items: int, width: int) -> PairScorer:
    """A scorer with many ties: about half of the items are copies of others, some vectors are zero."""
    random = np.random.default_rng(seed)

    def tensor(*dimensions: int) -> F32:
        return random.standard_normal(dimensions).astype(np.float32)

    user, item = tensor(n_users, width), tensor(n_items, width if shape == "dot" else width + 1)
    item[random.random(n_items) < 0.1] = 0
    copies = np.where(random.random(n_items) < 0.5, random.integers(0, n_items, n_items), np.arange(n_items))
    item = item[copies]
    if shape == "dot":
        with_bias = bool(seed % 2)
        item_bias = tensor(n_items)[copies]
        return PairScorer(
            user, item, tensor(n_users) if with_bias else None, item_bias if with_bias else None, scale=0.7, offset=3.1
        )
    outputs = 3 if shape == "levels" else 1
    n_hidden = {"relu": 1, "two relu": 2}.get(shape) or random.integers(0, 3)
    sizes = [2 * width + 1, *random.integers(1, 70, n_hidden).tolist(), outputs]
    layers = tuple(
        DenseLayer(tensor(k_in, k_out), tensor(k_out), str(random.choice(ACTIVATIONS)))
        for k_in, k_out in pairwise(sizes)
    )
    if "relu" in shape:
        *hidden, output = layers
        layers = (*(replace(layer, activation="relu") for layer in hidden), replace(output, activation="linear"))
    levels = np.arange(1, outputs + 1, dtype=np.float32) if shape == "levels" else None
    return PairScorer(user, item, layers=layers, levels=levels, scale=-1.3, offset=0.2, clip=(0, 1))


@st.composite
def questions(draw: st.DrawFn) -> Question:
    """Scorers of all shapes; users with nothing, something or everything seen; n below and above the candidates."""
    n_users, n_items = draw(st.integers(1, 6)), draw(st.integers(1, 40))
    shape = draw(st.sampled_from(["dot", "relu", "two relu", "layers", "levels"]))
    scorer = random_scorer(draw(st.integers(0, 10_000)), shape, n_users, n_items, draw(st.integers(0, 9)))
    magnitude = np.float32(draw(st.sampled_from([1, 1e-30, 1e30, 5e37])))
    scorer = replace(scorer, item=scorer.item * magnitude)
    item = st.integers(0, n_items - 1)
    candidates = sorted(draw(st.sets(item)) if draw(st.booleans()) else range(n_items))
    users = draw(st.lists(st.integers(0, n_users - 1), max_size=8))
    unknown_too = st.integers(0, n_items + 3)
    seen = [
        list(range(n_items)) if draw(st.integers(0, 5)) == 0 else sorted(draw(st.lists(unknown_too, max_size=12)))
        for _ in users
    ]
    if draw(st.booleans()):
        scorer, users, seen = _transposed(scorer, users, seen)
    variants = [
        np.array(draw(st.lists(st.booleans(), min_size=scorer.n_items, max_size=scorer.n_items)))
        for _ in range(draw(st.sampled_from([0, 0, 1, 2, 5])))
    ]
    question = Question(
        scorer,
        np.array([c for c in candidates if c < scorer.n_items], np.int32),
        np.array(users, np.int32),
        seen,
        draw(st.integers(1, n_items + 3)),
        variants,
    )
    if draw(st.booleans()):
        n_segments = draw(st.integers(0, 3))
        own = st.lists(st.integers(0, scorer.n_items + 2), max_size=40)
        question = replace(
            question,
            eligible=[draw(own) for _ in range(n_segments)],
            segment=[draw(st.integers(-1, n_segments - 1)) for _ in users],
        )
    if len(users) and len(candidates) and draw(st.booleans()):
        # a score of one of the pairs, so that it is met exactly
        some = scorer.score(question.users[:1], np.array([draw(st.integers(0, scorer.n_items - 1))], np.int32))
        question = replace(question, min_score=float(some[0]) if np.isfinite(some[0]) else 0.0)
    return question


def _transposed(
    scorer: PairScorer, users: list[int], seen: list[list[int]]
) -> tuple[PairScorer, list[int], list[list[int]]]:
    """The same with users and items in each other's place."""
    return scorer.transpose(), [user % scorer.n_items for user in users], seen


def brute_force(question: Question) -> TopN:
    """Score everything, drop what may not enter a list, sort stably: the definition, user by user."""
    m, n, variants = len(question.users), question.n, question.variants
    may_enter = variants or [np.ones(question.scorer.n_items, np.bool_)]
    lists = TopN.empty(m, n, len(may_enter))
    for row, (user, seen) in enumerate(zip(question.users, question.seen, strict=True)):
        candidates = question.candidates
        scores = score_pairs(question.scorer, np.full_like(candidates, user), candidates)
        may_be_had = np.ones(len(candidates), np.bool_)
        if question.eligible is not None and question.segment[row] >= 0:
            may_be_had = np.isin(candidates, question.eligible[question.segment[row]])
        lists.finite[row] = np.isfinite(scores[may_be_had]).all()
        for v, members in enumerate(may_enter if lists.finite[row] else ()):
            own = row * len(may_enter) + v
            left = ~np.isin(candidates, seen) & members[candidates] & (scores >= question.min_score) & may_be_had
            best = np.argsort(-scores[left], kind="stable")[:n]
            lists.counts[own] = len(best)
            lists.items[own, : len(best)] = candidates[left][best]
            lists.scores[own, : len(best)] = scores[left][best]
    return lists


def assert_same(actual: TopN, expected: TopN) -> None:
    """The same rows, and the same bits of every score."""
    np.testing.assert_array_equal(actual.finite, expected.finite)
    np.testing.assert_array_equal(actual.counts, expected.counts)
    np.testing.assert_array_equal(actual.items, expected.items)
    np.testing.assert_array_equal(actual.scores.view(np.int32), expected.scores.view(np.int32))


CHECKERBOARD = PairScorer(
    user=np.array([[1], [-1]], np.float32), item=np.array([[1], [-1], [1], [-1], [1], [-1]], np.float32)
)
"""Even users like even items, odd users like odd ones; everything ties."""

ALL_SIX = np.arange(6, dtype=np.int32)


class KernelContract:
    """What every path promises. A path's test class gives `make_lists` and inherits this."""

    def make_lists(self, question: Question, *, items_per_block: int, users_per_tile: int) -> TopN:
        """The lists by the path under test, cut into blocks of items and tiles of users."""
        raise NotImplementedError

    def lists(self, question: Question) -> TopN:
        return self.make_lists(question, items_per_block=16, users_per_tile=4)

    @CONTRACT
    @given(questions(), st.integers(1, 45), st.integers(1, 9))
    def test_lists_are_those_of_brute_force_to_the_bit(
        self, question: Question, items_per_block: int, users_per_tile: int
    ) -> None:
        actual = self.make_lists(question, items_per_block=items_per_block, users_per_tile=users_per_tile)

        assert_same(actual, brute_force(question))

    @CONTRACT
    @given(questions(), st.integers(0, 8))
    def test_users_in_two_calls_get_the_lists_of_one_call(self, question: Question, cut: int) -> None:
        whole = self.lists(question)
        parts = [
            self.lists(
                replace(question, users=question.users[part], seen=question.seen[part], segment=question.segment[part])
            )
            for part in (slice(None, cut), slice(cut, None))
        ]

        assert_same(TopN(*(np.concatenate(pair) for pair in zip(*parts, strict=True))), whole)

    @pytest.mark.parametrize("n_items", [255, 256, 257, 700])
    @pytest.mark.parametrize("shape", ["dot", "relu", "two relu", "layers", "levels"])
    def test_more_items_than_a_block_holds(self, shape: str, n_items: int) -> None:
        users = np.arange(70, dtype=np.int32)
        seen = [sorted({(7 * user) % n_items, (11 * user) % n_items}) for user in range(70)]
        candidates = np.arange(n_items, dtype=np.int32)
        question = Question(random_scorer(n_items, shape, 70, n_items, 10), candidates, users, seen, 10)

        assert_same(self.make_lists(question, items_per_block=256, users_per_tile=64), brute_force(question))

    def test_a_checkerboard_of_likes(self) -> None:
        lists = self.lists(Question(CHECKERBOARD, ALL_SIX, np.array([0, 1], np.int32), [[2], []], 2))

        assert lists.items.tolist() == [[0, 4], [1, 3]]
        assert lists.scores.tolist() == [[1, 1], [1, 1]]

    def test_equal_scores_are_listed_in_the_order_of_items(self) -> None:
        lists = self.lists(Question(CHECKERBOARD, ALL_SIX, np.array([0], np.int32), [[]], 6))

        assert lists.items.tolist() == [[0, 2, 4, 1, 3, 5]]

    def test_a_list_is_shorter_where_candidates_run_out(self) -> None:
        lists = self.lists(
            Question(CHECKERBOARD, ALL_SIX[:4], np.array([0, 1], np.int32), [[0, 1, 2], [0, 1, 2, 3]], 3)
        )

        assert lists.counts.tolist() == [1, 0]
        assert lists.items.tolist() == [[3, -1, -1], [-1, -1, -1]]

    def test_a_seen_item_does_not_hide_the_next_best_one(self) -> None:
        item = np.array([[9], [8], [7], [1]], np.float32)
        question = Question(replace(CHECKERBOARD, item=item), ALL_SIX[:4], np.array([0], np.int32), [[0, 0, 1]], 1)

        assert self.lists(question).items.tolist() == [[2]]

    @pytest.mark.parametrize("seen", [[], [1]], ids=["unseen", "seen"])
    def test_an_overflow_of_any_candidate_empties_the_list_and_says_so(self, seen: list[int]) -> None:
        item = np.array([[1], [-3e38], [2]], np.float32)
        scorer = PairScorer(user=np.array([[1], [10]], np.float32), item=item)
        lists = self.lists(Question(scorer, ALL_SIX[:3], np.array([0, 1], np.int32), [[], seen], 2))

        assert lists.finite.tolist() == [True, False]
        assert lists.counts.tolist() == [2, 0]
        assert lists.items.tolist() == [[2, 0], [-1, -1]]

    def test_ranks_follow_the_unclipped_score(self) -> None:
        item = np.array([[6], [8], [7]], np.float32)
        lists = self.lists(
            Question(replace(CHECKERBOARD, item=item, clip=(1, 5)), ALL_SIX[:3], np.array([0], np.int32), [[]], 3)
        )

        assert lists.items.tolist() == [[1, 2, 0]]
        assert lists.scores.tolist() == [[8, 7, 6]]

    def test_each_variant_is_a_list_of_its_own(self) -> None:
        even = np.arange(6) % 2 == 0
        variants = [np.ones(6, np.bool_), even, ~even, np.arange(6) > 3]
        question = Question(CHECKERBOARD, ALL_SIX, np.array([0, 1], np.int32), [[0], [1]], 2, variants)

        assert self.lists(question).items.tolist() == [[2, 4], [2, 4], [1, 3], [4, 5], [3, 5], [0, 2], [3, 5], [5, 4]]

    def test_no_score_below_the_minimum_enters_a_list(self) -> None:
        question = Question(CHECKERBOARD, ALL_SIX, np.array([0, 1], np.int32), [[], [1, 3, 5]], 9, min_score=1)

        assert self.lists(question).items[:, :4].tolist() == [[0, 2, 4, -1], [-1, -1, -1, -1]]
        assert self.lists(replace(question, min_score=-1)).counts.tolist() == [6, 3]
        assert self.lists(replace(question, min_score=1.00000001)).counts.tolist() == [0, 0]

    def test_users_of_a_segment_get_its_items_only(self) -> None:
        question = Question(
            CHECKERBOARD,
            ALL_SIX,
            np.array([0, 0, 1, 1], np.int32),
            [[], [], [1], []],
            9,
            eligible=[[5, 4, 3, 99], []],
            segment=[0, -1, 0, 1],
        )

        lists = self.lists(question)

        assert lists.counts.tolist() == [3, 6, 3, 0]
        assert lists.items[0, :3].tolist() == [4, 3, 5]
        assert lists.items[2, :3].tolist() == [3, 5, 4]

    def test_no_candidate_gives_empty_lists(self) -> None:
        lists = self.lists(Question(CHECKERBOARD, ALL_SIX[:0], np.array([0, 1], np.int32), [[], [1]], 2))

        assert lists.counts.tolist() == [0, 0]
        assert lists.finite.tolist() == [True, True]

    @pytest.mark.parametrize(
        ("wrong", "subject"),
        [
            ({"users": np.array([0, 2], np.int32)}, "users"),
            ({"users": np.array([-1, 0], np.int32)}, "users"),
            ({"candidates": np.array([0, 6], np.int32)}, "candidates"),
            ({"candidates": np.array([1, 1], np.int32)}, "candidates"),
            ({"seen": [[2, 1], []]}, "seen_items"),
            ({"seen": [[], [-1]]}, "seen_items"),
            ({"seen": [[]]}, "seen_offsets"),
            ({"n": 0}, "top_n: n"),
            ({"eligible": [[0]], "segment": [0]}, "segment"),
            ({"eligible": [[0]], "segment": [0, 1]}, "segment"),
        ],
    )
    def test_a_question_that_makes_no_sense_is_refused(self, wrong: dict[str, object], subject: str) -> None:
        question = Question(CHECKERBOARD, ALL_SIX, np.array([0, 1], np.int32), [[], [0]], 2)

        with pytest.raises(DataError) as refused:
            self.lists(replace(question, **wrong))
        assert refused.value.subject == subject
