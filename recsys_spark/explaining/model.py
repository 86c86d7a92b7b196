"""A stored model as explanations need it: one of its scorers, how it folds in, and what its columns are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from recsys_spark.errors import ArtifactError, DataError
from recsys_spark.kernels.arrays import F32, I32, I64, Flags
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.manifest import Description
from recsys_spark.models.folds import Fold, Histories
from recsys_spark.models.sides import SIDES, Side
from recsys_spark.training.recency import Recency
from recsys_spark.training.stored_folds import stored_fold


@dataclass(frozen=True, eq=False)
class ExplainedModel:
    """A model whose scores are explained.

    Args:
        scorer: gives the scores.
        name: of the model, for messages.
        of: the scorer's name in the artefact.
        fold: how it gives users their vectors; none: it cannot.
        recency: what ratings count by their age; none: all the same.
        features: for each side the names of its features and how many columns each has, behind those of the embedding.
        known: for each side bool[n], of whom it has learnt something; a side that is missing: of all.
    """

    scorer: PairScorer
    name: str = "the model"
    of: str = "main"
    fold: Fold | None = None
    recency: Recency | None = None
    features: Mapping[Side, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    known: Mapping[Side, Flags] = field(default_factory=dict)

    @classmethod
    def stored(cls, described: Description, scorers: Mapping[str, PairScorer], *, of: str = "main") -> Self:
        """By what an artefact holds.

        Args:
            described: `read_manifest(folder).description`.
            scorers: `artifact.load(folder)`.
            of: which of them is explained: `main`, or `rating` of a model that has it.

        Raises:
            DataError: there is no scorer of that name.
            ArtifactError: the manifest describes more columns of features than the scorer has.
        """
        if of not in scorers:
            raise DataError(described.model, expected=f"a scorer {of}", found=", ".join(sorted(scorers)))
        scorer, fold, known = scorers[of], stored_fold(described, scorers), scorers.get("known")
        learnt: dict[Side, Flags] = {}
        if known is not None and known.user_bias is not None and known.item_bias is not None:
            learnt = {"user": known.user_bias > 0, "item": known.item_bias > 0}
        return cls(
            scorer,
            described.model,
            of,
            None if fold is None else fold.fold,
            None if fold is None else fold.recency,
            # a dot product has taken them into its vectors
            {} if scorer.is_dot else {side: _features(described, side, scorer) for side in SIDES},
            learnt,
        )

    def history(self, items: I32 | I64, ratings: F32, days: F32 | None = None) -> Histories:
        """What one user has rated, as `explain` takes it. Items that came after the model's fit are left out.

        Args:
            items: i32[n], indices.
            ratings: f32[n].
            days: f32[n], since 1970 (UTC), NaN where it is not known; used only where ratings count by their age.

        Raises:
            DataError: arrays of unequal length, or a negative index.
        """
        lengths = {len(items), len(ratings), len(items if days is None else days)}
        if len(lengths) > 1 or (len(items) and int(items.min()) < 0):
            raise DataError("history", expected="an index, a rating and maybe a day for each item", found=str(lengths))
        inside = items < self.scorer.n_items
        weights = None
        if self.recency is not None:
            unknown = np.full(len(items), np.nan, np.float32)
            weights = self.recency.weights(unknown if days is None else days)[inside]
        kept = np.ascontiguousarray(items[inside], np.int32)
        ends = np.array([0, len(kept)], np.int64)
        return Histories(ends, kept, ratings[inside].astype(np.float32), weights)

    def mean(self, side: Side) -> F32:
        """The mean of the columns of those whom the model knows: f32[k]."""
        table = self.scorer.user if side == "user" else self.scorer.item
        rows = table[self.known[side]] if side in self.known else table
        mean: F32 = (rows if len(rows) else table).mean(axis=0, dtype=np.float64).astype(np.float32)
        return mean


def _features(described: Description, side: Side, scorer: PairScorer) -> tuple[tuple[str, int], ...]:
    columns = described.features.get(side, {}).get("columns", [])
    found = tuple((str(column["name"]), _width(column)) for column in columns)
    there = (scorer.user if side == "user" else scorer.item).shape[1]
    wanted = sum(width for _, width in found)
    if wanted > there:
        raise ArtifactError(f"features of {side}s", expected=f"at least {wanted} columns", found=str(there))
    return found


def _width(column: Mapping[str, Any]) -> int:
    """How many columns a feature has; see `training/features.py`."""
    return len(column["categories"]) if column["kind"] == "categorical" else 2 if column["missing"] else 1
