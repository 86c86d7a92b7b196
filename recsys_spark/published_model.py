"""A stored model on a laptop: the scores of any user and item by their ids, and the items that are alike."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from recsys_spark import artifact
from recsys_spark.errors import DataError
from recsys_spark.indices import Indices
from recsys_spark.kernels.arrays import F32, F64, I32, Flags
from recsys_spark.manifest import KNOWN, MAIN

if TYPE_CHECKING:
    import pyarrow as pa

    from recsys_spark.kernels.scorer import PairScorer

ROWS_AT_ONCE = 1 << 16
"""Item vectors that are turned into float64 at the same time."""


class FoldedInWarning(UserWarning):
    """The trained vector of a user did not make their published list."""


class Alike(NamedTuple):
    """An item and how much it is like another one."""

    item_id: Any
    cosine: float


class Tables(Protocol):
    """What a model asks of the output that it belongs to; see `reader.Output`."""

    path: Path

    def has(self, name: str) -> bool:
        """Whether a table was ever published."""

    def rows(self, name: str, columns: Sequence[str] | None = None, **equal: Any) -> pa.Table:
        """The rows of a table whose columns have the given values."""


class PublishedModel:
    """The published scorers of an artefact, with ids in place of indices. `Output.model` makes it.

    Args:
        output: whose tables `users` and `items` tell the indices.
        model_id: its folder in `models`.
        lists_run: the visible run, if this model has made its lists; else none.

    Raises:
        ArtifactError: the artefact is damaged.
    """

    def __init__(self, output: Tables, model_id: str, *, lists_run: str | None) -> None:
        self._output, self.model_id, self._lists_run = output, model_id, lists_run
        self.scorers: Mapping[str, PairScorer] = artifact.load(output.path / "models" / model_id)

    @property
    def scorer(self) -> PairScorer:
        """That which ranks the lists."""
        return self.scorers[MAIN]

    def score(self, user: Any, items: Any) -> F32:
        """Published scores of pairs: to the bit those of `top_n`, seen items or not.

        The lists of users who were folded in came from vectors that are not stored; their trained vectors give other
        scores, of which a `FoldedInWarning` tells.

        Args:
            user: one user's id, or a sequence of ids, one for each item.
            items: a sequence of items' ids, or one id.

        Returns:
            f32[n].

        Raises:
            NotFoundError: an id that is in no table.
            DataError: an id of another type; a user or item of whom the model has learnt nothing.

        Example:
            >>> output.model().score(3, [75, 30])
            array([3.592109, 3.576404], dtype=float32)
        """
        users_given, items_given = _sequence(user), _sequence(items)
        n = max(len(users_given), len(items_given)) if users_given and items_given else 0
        if any(len(given) not in (1, n) for given in (users_given, items_given)):
            found = f"{len(users_given)} users and {len(items_given)} items"
            raise DataError("pairs", expected="as many users as items, or one of either", found=found)
        user_indices = self._learnt("user", self.users.of(users_given))
        item_indices = self._learnt("item", self.items.of(items_given))
        self._warn_of_folded(user_indices)
        pairs = np.broadcast_arrays(user_indices, item_indices) if n else (user_indices, item_indices)
        return self.scorer.published(self.scorer.score(*(np.ascontiguousarray(side[:n]) for side in pairs)))

    def similar(self, item: Any, n: int = 10) -> list[Alike]:
        """The items whose vectors have the highest cosine with an item's, best first; of equal ones the lower index.

        Args:
            item: an id.
            n: how many, at most.

        Raises:
            NotFoundError, DataError: as `score` does.
            DataError: the model is no dot product: its vectors alone do not tell what is alike.
        """
        (index,) = self._learnt("item", self.items.of([item]))
        cosines = self._cosines(int(index))
        order = np.lexsort((np.arange(len(cosines)), -cosines))
        best = [i for i in order[: n + 1] if i != index and np.isfinite(cosines[i])][:n]
        return [
            Alike(i, float(cosines[at])) for i, at in zip(self.items.ids(np.array(best, np.int32)), best, strict=True)
        ]

    def similarity(self, item: Any, other: Any) -> float:
        """The cosine of two items' vectors; see `similar`."""
        index, at = self._learnt("item", self.items.of([item, other]))
        cosine = float(self._cosines(int(index))[at])
        if not np.isfinite(cosine):
            raise DataError(f"item {other}", expected="a vector with a direction", found="zeros")
        return cosine

    @functools.cached_property
    def users(self) -> Indices:
        """The index of each user."""
        return Indices.of_table("user", self._output.rows("users", ["user_id", "user_index"]))

    @functools.cached_property
    def items(self) -> Indices:
        """The index of each item."""
        return Indices.of_table("item", self._output.rows("items", ["item_id", "item_index"]))

    @functools.cached_property
    def _folded(self) -> I32:
        """The users whose visible lists came from other vectors than the trained ones."""
        if self._lists_run is None or not self._output.has("user_outcomes"):
            return np.empty(0, np.int32)
        rows = self._output.rows("user_outcomes", ["user_id"], run_id=self._lists_run, reason="folded_in")
        return self.users.of(rows["user_id"].to_pylist())

    def _cosines(self, index: int) -> F64:
        """f64[n_items], of one item with all; minus infinity for what the model knows nothing about."""
        vectors = self.scorer.item
        if not self.scorer.is_dot:
            raise DataError(
                f"the model {self.model_id}",
                expected="a dot product, whose item vectors tell what is alike",
                found=f"{len(self.scorer.layers)} dense layers",
                hint="the job similar_items makes a table of what such a model holds for alike",
            )
        mine = vectors[index].astype(np.float64)
        parts = [vectors[at : at + ROWS_AT_ONCE].astype(np.float64) for at in range(0, len(vectors), ROWS_AT_ONCE)]
        products = np.concatenate([part @ mine for part in parts])
        lengths = np.concatenate([np.sqrt((part * part).sum(axis=1)) for part in parts])
        usable = self._knows("item") & (lengths > 0)
        if not usable[index]:
            raise DataError("item", expected="a vector with a direction", found=f"zeros for index {index}")
        cosines = np.full(len(vectors), -np.inf)
        cosines[usable] = np.clip(products[usable] / (lengths[usable] * lengths[index]), -1, 1)
        return cosines

    def _knows(self, side: str) -> Flags:
        """Which users or items the model has learnt something about."""
        known = self.scorers.get(KNOWN)
        flags = None if known is None else (known.user_bias if side == "user" else known.item_bias)
        n = self.scorer.n_users if side == "user" else self.scorer.n_items
        return np.ones(n, bool) if flags is None else flags > 0

    def _learnt(self, side: str, indices: I32) -> I32:
        """The indices, if the model has learnt something about each of them."""
        knows = self._knows(side)
        strange = indices[(indices >= len(knows)) | ~knows[np.minimum(indices, len(knows) - 1)]]
        if len(strange):
            ids = (self.users if side == "user" else self.items).ids(strange[:1])
            raise DataError(
                f"{side} {ids[0]}",
                expected=f"{side}s that the model {self.model_id} has learnt something about",
                found="no rating of theirs in its training" if side == "user" else "no rating of it in its training",
                hint="such users' lists come from the fallback (reason cold_fallback in top_n)"
                if side == "user"
                else "",
            )
        return indices

    def _warn_of_folded(self, users: I32) -> None:
        folded = np.intersect1d(users, self._folded)
        if len(folded):
            names = ", ".join(map(str, self.users.ids(folded[:3]))) + (", ..." if len(folded) > 3 else "")
            text = (
                f"folded in for run {self._lists_run}: {names}. Their lists came from vectors made of newer ratings, "
                "which are not stored; these scores are of the trained ones"
            )
            warnings.warn(text, FoldedInWarning, stacklevel=3)


def _sequence(given: Any) -> Sequence[Any]:
    """One id or several, as a list."""
    if hasattr(given, "to_pylist"):
        return list(given.to_pylist())
    if hasattr(given, "tolist"):
        given = given.tolist()
    return list(given) if isinstance(given, list | tuple | set | frozenset | range) else [given]
