"""Parts of a score add up to it, for scorers of any numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_spark.errors import DataError
from recsys_spark.explaining.explain import explain
from recsys_spark.explaining.model import ExplainedModel
from recsys_spark.kernels.scorer import PairScorer

EPS = float(np.finfo(np.float32).eps)


def random_dot(seed: int, *, biases: tuple[bool, bool], clip: bool) -> PairScorer:
    random = np.random.default_rng(seed)

    def table(*shape: int) -> np.ndarray:
        return (random.normal(size=shape) * 10.0 ** random.integers(-2, 3)).astype(np.float32)

    return PairScorer(
        table(5, 6),
        table(7, 6),
        table(5) if biases[0] else None,
        table(7) if biases[1] else None,
        scale=float(random.uniform(0.1, 3)),
        offset=float(random.normal()),
        clip=(-1.0, 1.0) if clip else None,
    )


@given(seed=st.integers(0, 2**32 - 1), biases=st.tuples(st.booleans(), st.booleans()), clip=st.booleans())
def test_parts_of_a_dot_product_add_up_to_its_score(seed: int, biases: tuple[bool, bool], clip: bool) -> None:
    scorer = random_dot(seed, biases=biases, clip=clip)
    user, item = seed % 5, seed % 7

    found = explain(ExplainedModel(scorer), user, item)

    pair = np.array([user], np.int32), np.array([item], np.int32)
    assert found.unclipped == scorer.score(*pair)[0]
    assert found.score == scorer.published(scorer.score(*pair))[0]
    parts = found.parts
    assert parts is not None
    # float32 rounds at each of its steps, by the size of what it adds up
    terms = np.abs(scorer.user[user] * scorer.item[item]).sum() * scorer.scale
    size = terms + abs(parts.offset) + abs(parts.user_effect) + abs(parts.item_effect)
    assert abs(parts.total - found.score) <= 12 * EPS * size
    assert (parts.user_effect == 0) == (not biases[0])
    assert (parts.item_effect == 0) == (not biases[1])
    assert clip or parts.clipping == 0


def test_each_part_is_what_the_score_loses_without_it() -> None:
    scorer = random_dot(11, biases=(True, True), clip=False)
    parts = explain(ExplainedModel(scorer), 2, 3).parts
    assert parts is not None
    assert scorer.user_bias is not None
    assert scorer.item_bias is not None
    nobody = replace(scorer, user_bias=np.zeros_like(scorer.user_bias))
    nothing = replace(scorer, item_bias=np.zeros_like(scorer.item_bias))
    apart = replace(scorer, item=np.zeros_like(scorer.item))

    score = explain(ExplainedModel(scorer), 2, 3).score
    for part, without in ((parts.user_effect, nobody), (parts.item_effect, nothing), (parts.interaction, apart)):
        assert part == pytest.approx(score - explain(ExplainedModel(without), 2, 3).score, rel=1e-4, abs=1e-3)


def test_clipping_is_told_as_a_part() -> None:
    scorer = PairScorer(np.ones((1, 1), np.float32), np.ones((1, 1), np.float32), offset=4.5, clip=(1.0, 5.0))

    found = explain(ExplainedModel(scorer), 0, 0)

    assert found.parts is not None
    assert (found.score, found.unclipped, found.parts.clipping, found.parts.total) == (5.0, 5.5, -0.5, 5.0)


@pytest.mark.parametrize(("user", "item", "subject"), [(5, 0, "user"), (-1, 0, "user"), (0, 7, "item")])
def test_an_index_out_of_range_is_told(user: int, item: int, subject: str) -> None:
    with pytest.raises(DataError, match=f"{subject}: expected indices from 0"):
        explain(ExplainedModel(random_dot(1, biases=(True, True), clip=False)), user, item)


def test_somebody_unknown_without_a_history_is_told() -> None:
    with pytest.raises(DataError, match="a history of which it makes a vector"):
        explain(ExplainedModel(random_dot(1, biases=(True, True), clip=False)), None, 0)
