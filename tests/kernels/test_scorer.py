"""A scorer that makes no sense cannot be made, and the error names the tensor and the row."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from recsys_spark.errors import ArtifactError
from recsys_spark.kernels.scorer import DenseLayer, PairScorer


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def layer(k_in: int, k_out: int, activation: str = "linear") -> DenseLayer:
    return DenseLayer(ones(k_in, k_out), ones(k_out), activation)


DOT: dict[str, Any] = {"user": ones(3, 2), "item": ones(4, 2), "user_bias": ones(3), "item_bias": ones(4)}
DEEP: dict[str, Any] = {"user": ones(3, 2), "item": ones(4, 5), "layers": (layer(7, 6, "relu"), layer(6, 1))}


def with_one(array: np.ndarray, position: tuple[int, ...], value: float) -> np.ndarray:
    changed = array.copy()
    changed[position] = value
    return changed


def test_sizes_and_bytes() -> None:
    scorer = PairScorer(**DOT)

    assert (scorer.n_users, scorer.n_items, scorer.is_dot) == (3, 4, True)
    assert scorer.nbytes == 4 * (3 * 2 + 4 * 2 + 3 + 4)
    assert not PairScorer(**DEEP).is_dot


def test_tensors_are_named_layer_by_layer() -> None:
    assert list(PairScorer(**DEEP).tensors()) == [
        "user",
        "item",
        "layers.0.weight",
        "layers.0.bias",
        "layers.1.weight",
        "layers.1.bias",
    ]


def test_scale_offset_and_clip_are_kept_as_float32() -> None:
    scorer = PairScorer(**DOT, scale=0.1, offset=0.2, clip=(0.1, 5))

    assert (scorer.scale, scorer.offset) == (float(np.float32(0.1)), float(np.float32(0.2)))
    assert scorer.clip == (float(np.float32(0.1)), 5.0)


def test_a_scorer_that_was_sent_to_another_process_scores_the_same() -> None:
    users, items = np.array([0, 2], np.int32), np.array([3, 1], np.int32)
    scorer = PairScorer(**DEEP)

    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(scorer)).score(users, items),
        scorer.score(users, items),
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_with_its_tensor_and_row(value: float) -> None:
    with pytest.raises(ArtifactError, match=rf"item: expected finite numbers, found {value} in row 2\."):
        PairScorer(**DOT | {"item": with_one(ones(4, 2), (2, 1), value)})


def test_a_row_beyond_the_first_chunk_of_the_check_is_named_rightly() -> None:
    with pytest.raises(ArtifactError, match=r"user: .* row 70000"):
        PairScorer(**DOT | {"user": with_one(ones(80_000, 2), (70_000, 0), np.nan), "user_bias": None})


@pytest.mark.parametrize(
    ("fields", "subject"),
    [
        (DOT | {"user": ones(3, 2).astype(np.float64)}, "user"),
        (DOT | {"user": ones(2, 3).T}, "user"),
        (DOT | {"user": ones(6)}, "user"),
        (DOT | {"user": [[1.0]]}, "user"),
        (DOT | {"item": ones(4, 3)}, "item"),
        (DOT | {"user_bias": ones(4)}, "user_bias"),
        (DOT | {"item_bias": ones(3)}, "item_bias"),
        (DOT | {"levels": ones(5)}, "levels"),
        (DOT | {"scale": float("nan")}, "scale"),
        (DOT | {"offset": 1e39}, "offset"),
        (DOT | {"clip": (5, 1)}, "clip"),
        (DOT | {"clip": (float("-inf"), 1)}, "clip"),
        (DEEP | {"item_bias": ones(4)}, "user_bias, item_bias"),
        (DEEP | {"item": ones(4, 4)}, "layers.0.weight"),
        (DEEP | {"layers": (layer(7, 6), layer(5, 1))}, "layers.1.weight"),
        (DEEP | {"layers": (DenseLayer(ones(7, 1), ones(2), "relu"),)}, "layers.0.bias"),
        (DEEP | {"layers": (layer(7, 6), layer(6, 2))}, "layers.1"),
        (DEEP | {"layers": (layer(7, 6),), "levels": ones(5)}, "layers.0"),
        (DEEP | {"layers": (layer(7, 0),), "levels": ones(0)}, "levels"),
        (DEEP | {"layers": (layer(7, 1, "softmax"),)}, "layers.0.activation"),
    ],
)
def test_what_does_not_fit_together_is_refused(fields: dict[str, Any], subject: str) -> None:
    with pytest.raises(ArtifactError) as refused:
        PairScorer(**fields)
    assert refused.value.subject == subject
