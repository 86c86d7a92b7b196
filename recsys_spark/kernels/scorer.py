"""The pair scorer: a trained model as plain arrays.

It is the interface between training, artefact, kernels, scoring and evaluation. What it computes, to the bit, stands in
score32.py. Making or sending one needs numpy alone; numba is imported when something is scored.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from recsys_spark.errors import ArtifactError
from recsys_spark.kernels.arrays import F32, I32

ACTIVATIONS: Final = ("linear", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "sigmoid", "tanh")
"""Names as in Keras 3, with Keras' default parameters. Kernels know them by position: append only."""


@dataclass(frozen=True, eq=False)
class DenseLayer:
    """activation(x @ weight + bias).

    Args:
        weight: f32[k_in, k_out].
        bias: f32[k_out].
        activation: one of `ACTIVATIONS`.
    """

    weight: F32
    bias: F32
    activation: str


@dataclass(frozen=True, eq=False)
class PairScorer:
    """score(u, i) = head(user[u], item[i]), in the units that are published.

    Without layers the head is a dot product plus biases; with layers, dense layers over concat(user[u], item[i]).

    Args:
        user: f32[n_users, k_u], embeddings with features as further columns; k_u may be 0.
        item: f32[n_items, k_i]; for a dot product k_i = k_u.
        user_bias: f32[n_users] or none; only for a dot product.
        item_bias: f32[n_items] or none; only for a dot product.
        layers: the first takes k_u + k_i inputs, the last gives one output, or one for each level.
        levels: f32[c] or none. With levels the last layer's outputs are logits, and the score is the expected level
            under their softmax; only with layers.
        scale: score = scale * head + offset, the inverse of the target scaling; rounded to float32.
        offset: see `scale`.
        clip: bounds of the published score, or none. Ranks follow the unclipped one.
        transposed: whether the two sides have changed places, see `transpose`; says in which order biases are added.

    Raises:
        ArtifactError: a tensor has another type or shape, or holds a value that is not finite; an unknown activation;
            a combination that has no meaning.
    """

    user: F32
    item: F32
    user_bias: F32 | None = None
    item_bias: F32 | None = None
    layers: tuple[DenseLayer, ...] = ()
    levels: F32 | None = None
    scale: float = 1.0
    offset: float = 0.0
    clip: tuple[float, float] | None = None
    transposed: bool = False

    def __post_init__(self) -> None:
        for name, tensor, dimensions in self._expected_dimensions():
            _check_tensor(name, tensor, dimensions)
        self._check_head()
        self._check_shapes()
        for name in ("scale", "offset"):
            object.__setattr__(self, name, _float32(name, getattr(self, name)))
        if self.clip is not None:
            low, high = (_float32("clip", bound) for bound in self.clip)
            if low > high:
                raise ArtifactError("clip", expected="the lower bound first", found=f"{low}, {high}")
            object.__setattr__(self, "clip", (low, high))

    @property
    def n_users(self) -> int:
        """Users that have an index."""
        return len(self.user)

    @property
    def n_items(self) -> int:
        """Items that have an index."""
        return len(self.item)

    @property
    def is_dot(self) -> bool:
        """Whether the head is a dot product plus biases."""
        return not self.layers

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors together."""
        return sum(tensor.nbytes for tensor in self.tensors().values())

    def tensors(self) -> dict[str, F32]:
        """The tensors by name, in a fixed order; layers as `layers.0.weight`, `layers.0.bias`."""
        return {name: tensor for name, tensor, _ in self._expected_dimensions()}

    def score(self, users: I32, items: I32) -> F32:
        """Score pairs: `score32`, unclipped.

        Args:
            users: i32[n], indices of users.
            items: i32[n], indices of items.

        Returns:
            f32[n].

        Raises:
            DataError: an index out of range, or arrays of unequal length.
        """
        from recsys_spark.kernels.score32 import score_pairs

        return score_pairs(self, users, items)

    def transpose(self) -> PairScorer:
        """The scorer whose users are this one's items: score(i, u) there has the bits of score(u, i) here."""
        k_u = self.user.shape[1]
        layers = self.layers
        if layers:
            weight = np.concatenate((layers[0].weight[k_u:], layers[0].weight[:k_u]))
            layers = (replace(layers[0], weight=weight), *layers[1:])
        return replace(
            self,
            user=self.item,
            item=self.user,
            user_bias=self.item_bias,
            item_bias=self.user_bias,
            layers=layers,
            transposed=not self.transposed,
        )

    def extended(self, n_users: int, n_items: int) -> PairScorer:
        """The same scorer with room for users and items that came later: zeros, which nobody has learnt.

        Args:
            n_users: at least those there are.
            n_items: likewise.
        """
        if (n_users, n_items) == (self.n_users, self.n_items):
            return self

        def longer(rows: F32 | None, n: int) -> F32 | None:
            return None if rows is None else np.pad(rows, [(0, n - len(rows))] + [(0, 0)] * (rows.ndim - 1))

        users, items = longer(self.user, n_users), longer(self.item, n_items)
        biases = longer(self.user_bias, n_users), longer(self.item_bias, n_items)
        assert users is not None
        assert items is not None
        return replace(self, user=users, item=items, user_bias=biases[0], item_bias=biases[1])

    def published(self, scores: F32) -> F32:
        """The scores as they are published: clipped, if this scorer has bounds."""
        if self.clip is None:
            return scores
        low, high = self.clip
        return np.clip(scores, np.float32(low), np.float32(high))

    def unclipped(self, score: float) -> float:
        """The lowest unclipped score whose published score is not below `score`; infinite if there is none."""
        if self.clip is None:
            return score
        low, high = self.clip
        return -math.inf if score <= low else score if score <= high else math.inf

    def _expected_dimensions(self) -> Iterator[tuple[str, F32, int]]:
        yield "user", self.user, 2
        yield "item", self.item, 2
        if self.user_bias is not None:
            yield "user_bias", self.user_bias, 1
        if self.item_bias is not None:
            yield "item_bias", self.item_bias, 1
        for number, layer in enumerate(self.layers):
            yield f"layers.{number}.weight", layer.weight, 2
            yield f"layers.{number}.bias", layer.bias, 1
        if self.levels is not None:
            yield "levels", self.levels, 1

    def _check_head(self) -> None:
        """A head is either a dot product, maybe with biases, or dense layers, maybe with levels."""
        if self.is_dot and self.levels is not None:
            raise ArtifactError("levels", expected="dense layers that give a logit for each level", found="no layers")
        if not self.is_dot and (self.user_bias is not None or self.item_bias is not None):
            raise ArtifactError(
                "user_bias, item_bias",
                expected="none beside dense layers",
                found="a bias",
                hint="biases belong to dot products; beside layers make them a column of user or item",
            )
        for number, layer in enumerate(self.layers):
            if layer.activation not in ACTIVATIONS:
                raise ArtifactError(
                    f"layers.{number}.activation",
                    expected="one of " + ", ".join(ACTIVATIONS),
                    found=repr(layer.activation),
                )

    def _check_shapes(self) -> None:
        if self.is_dot:
            _check_length("item", "columns, as user has", self.item.shape[1], self.user.shape[1])
        if self.user_bias is not None:
            _check_length("user_bias", "entries, one for each user", len(self.user_bias), self.n_users)
        if self.item_bias is not None:
            _check_length("item_bias", "entries, one for each item", len(self.item_bias), self.n_items)
        if self.levels is not None and not len(self.levels):
            raise ArtifactError("levels", expected="at least one level", found="none")
        inputs = self.user.shape[1] + self.item.shape[1]
        for number, layer in enumerate(self.layers):
            _check_length(f"layers.{number}.weight", "rows, one for each input", layer.weight.shape[0], inputs)
            inputs = layer.weight.shape[1]
            _check_length(f"layers.{number}.bias", "entries, one for each output", len(layer.bias), inputs)
        if self.layers:
            outputs = 1 if self.levels is None else len(self.levels)
            wanted = "outputs of the last layer: one, or one for each level"
            _check_length(f"layers.{len(self.layers) - 1}", wanted, inputs, outputs)


def _check_tensor(name: str, tensor: F32, dimensions: int) -> None:
    found = type(tensor).__name__
    if isinstance(tensor, np.ndarray):
        plain = tensor.flags.c_contiguous and tensor.flags.aligned
        if tensor.dtype == np.float32 and tensor.ndim == dimensions and plain:
            return _check_finite(name, tensor)
        found = f"{tensor.dtype} with {tensor.ndim} dimensions, {'' if plain else 'not '}C-contiguous"
    raise ArtifactError(
        name,
        expected=f"float32 with {dimensions} dimensions, C-contiguous",
        found=found,
        hint="np.ascontiguousarray(array, dtype=np.float32) makes it so",
    )


def _check_finite(name: str, tensor: F32) -> None:
    rows_at_once = 1 << 16  # bounds the memory for the flags
    for start in range(0, len(tensor), rows_at_once):
        finite = np.isfinite(tensor[start : start + rows_at_once])
        if not finite.all():
            where = np.argwhere(~finite)[0]
            where[0] += start
            raise ArtifactError(
                name,
                expected="finite numbers",
                found=f"{tensor[tuple(where)]} in row {where[0]}",
                hint="the training has diverged: a smaller learning rate or scaled targets may help",
            )


def _check_length(name: str, what: str, found: int, expected: int) -> None:
    if found != expected:
        raise ArtifactError(name, expected=f"{expected} {what}", found=str(found))


def _float32(name: str, value: float) -> float:
    """The value rounded to float32, refused if that is not finite."""
    with np.errstate(over="ignore"):
        rounded = float(np.float32(value))
    if not math.isfinite(rounded):
        raise ArtifactError(name, expected="a finite float32", found=repr(value))
    return rounded
