"""What the columns of a model with dense layers have to do with a score: it is scored again with their mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from recsys_spark.explaining.explanation import Ablation, Level
from recsys_spark.explaining.model import ExplainedModel
from recsys_spark.kernels.arrays import F32
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.sides import SIDES, Side

EMBEDDING = "embedding"
"""The columns that are learnt, before those of the features."""


def ablations_of(model: ExplainedModel, user: int, item: int) -> tuple[Ablation, ...]:
    """For each group of columns the score minus what it would be with their mean over all users (items).

    The changes do not add up to anything: what a column does depends on all the others.

    Args:
        model: one with dense layers.
        user: index.
        item: index.

    Returns:
        The largest change first, whatever its sign; a group of no columns is none.
    """
    rows: dict[Side, list[F32]] = {"user": [model.scorer.user[user]], "item": [model.scorer.item[item]]}
    names: list[tuple[Side, str]] = []
    pairs = [(0, 0)]
    for side in SIDES:
        mean = model.mean(side)
        for name, columns in column_groups(model, side):
            changed = rows[side][0].copy()
            changed[columns] = mean[columns]
            place = len(rows[side])
            rows[side].append(changed)
            names.append((side, name))
            pairs.append((place, 0) if side == "user" else (0, place))
    few = replace(model.scorer, user=np.stack(rows["user"]), item=np.stack(rows["item"]))
    users, items = np.array(pairs, np.int32).T
    scores = few.score(np.ascontiguousarray(users), np.ascontiguousarray(items)).astype(np.float64)
    found = [Ablation(side, name, float(scores[0] - s)) for (side, name), s in zip(names, scores[1:], strict=True)]
    return tuple(sorted(found, key=lambda a: -abs(a.change)))


def column_groups(model: ExplainedModel, side: Side) -> Iterator[tuple[str, slice]]:
    """The groups of columns of one side that are not empty: the embedding, and each feature behind it."""
    width = (model.scorer.user if side == "user" else model.scorer.item).shape[1]
    features = model.features.get(side, ())
    start = width - sum(n for _, n in features)
    if start:
        yield EMBEDDING, slice(0, start)
    for name, n in features:
        yield name, slice(start, start + n)
        start += n


def levels_of(scorer: PairScorer, user: int, item: int) -> tuple[Level, ...]:
    """How probable each rating level is for a pair; empty for what is no classifier.

    Args:
        scorer: with dense layers.
        user: index.
        item: index.
    """
    if scorer.levels is None:
        return ()
    # a scorer is checked whenever it is made: of one pair that is no work
    one = replace(scorer, user=scorer.user[user][None], item=scorer.item[item][None])
    pair = np.zeros(1, np.int32), np.zeros(1, np.int32)
    found = []
    for place, level in enumerate(scorer.levels):
        # the expected level is its probability where it alone counts 1
        alone: F32 = np.zeros(len(scorer.levels), np.float32)
        alone[place] = 1
        probability = replace(one, levels=alone, scale=1.0, offset=0.0).score(*pair)[0]
        found.append(Level(float(level) * scorer.scale + scorer.offset, float(probability)))
    return tuple(found)
