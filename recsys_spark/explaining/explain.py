"""Explain the score of a pair.

    model = ExplainedModel.stored(read_manifest(folder).description, artifact.load(folder))
    explain(model, user, item, model.history(items, ratings)).parts

Indices are those of the artefact; whoever has ids finds them in the tables `users` and `items`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recsys_spark.errors import DataError
from recsys_spark.explaining.ablations import ablations_of, levels_of
from recsys_spark.explaining.explanation import DotParts, Explanation
from recsys_spark.explaining.histories import history_parts, nearest_items, without_items
from recsys_spark.explaining.model import ExplainedModel
from recsys_spark.kernels.arrays import indices
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.folds import Histories


def explain(
    model: ExplainedModel, user: int | None, item: int, history: Histories | None = None, *, nearest: int = 5
) -> Explanation:
    """What a score is made of.

    Args:
        model: the stored model.
        user: index; none: somebody whom the model does not know, scored with a vector made of the history.
        item: index.
        history: what the user has rated, from `ExplainedModel.history`; none: nothing is known of it. An explained item
            that is in it counts like any other.
        nearest: items of the history that are shown as the most similar, at most.

    Raises:
        DataError: an index out of range; a user whom the model neither knows nor can make a vector for.
    """
    scorer = model.scorer
    indices(np.array([item]), below=scorer.n_items, subject="item")
    if user is None:
        scorer, user = _of_history(model, history), 0
    else:
        indices(np.array([user]), below=scorer.n_users, subject="user")
    unclipped = scorer.score(np.array([user], np.int32), np.array([item], np.int32))
    bare = Explanation(score=float(scorer.published(unclipped)[0]), unclipped=float(unclipped[0]))
    if not scorer.is_dot:
        return replace(bare, ablations=ablations_of(model, user, item), levels=levels_of(scorer, user, item))
    parts = _dot_parts(scorer, user, item, clipping=bare.score - bare.unclipped)
    if history is None:
        return replace(bare, parts=parts)
    closest = nearest_items(scorer, item, history, n=nearest)
    return replace(bare, parts=parts, nearest=closest, history=history_parts(model, item, history))


def _dot_parts(scorer: PairScorer, user: int, item: int, *, clipping: float) -> DotParts:
    return DotParts(
        offset=scorer.offset,
        user_effect=0.0 if scorer.user_bias is None else scorer.scale * float(scorer.user_bias[user]),
        item_effect=0.0 if scorer.item_bias is None else scorer.scale * float(scorer.item_bias[item]),
        interaction=scorer.scale * float(scorer.user[user].astype(np.float64) @ scorer.item[item]),
        clipping=clipping,
    )


def _of_history(model: ExplainedModel, history: Histories | None) -> PairScorer:
    """A scorer of one user, whose vector is made of the history."""
    found = None if history is None else without_items(model, history, left_out=None)
    if found is None or not (found.user.any() or (found.user_bias is not None and found.user_bias.any())):
        raise DataError(
            "user",
            expected="an index that the model knows, or a history of which it makes a vector",
            found="none" if model.fold is not None else f"none; {model.name} makes no vectors of histories",
        )
    return found
