"""Folding in: with a model in use, users whose ratings it does not know get a vector from what they have rated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys_spark.ingest.ingested import Ingested
from recsys_spark.job import Job
from recsys_spark.kernels.arrays import Flags
from recsys_spark.kernels.digests import U64, from_columns
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.folds import UserSide, with_sides
from recsys_spark.scoring.folding import FoldPlan, fold_users, whole_files
from recsys_spark.stored_models import HISTORIES
from recsys_spark.training.stored_folds import stored_fold


@dataclass(frozen=True, eq=False)
class Folded:
    """The scorers of a model in use, with the vectors of folded-in users in them.

    Args:
        scorers: by name.
        users: bool[n_users], who is folded in.
        digests: u64[n_users], of whoever is: what their vectors were made of; 0 for all others.
    """

    scorers: Mapping[str, PairScorer]
    users: Flags
    digests: U64


def folded_in(job: Job, ingested: Ingested, scorers: Mapping[str, PairScorer]) -> Folded:
    """Fold in the users of a night whose accepted ratings are not those that the model was fitted on.

    Their vectors come to the driver: 4 bytes x columns for each, at most as much as it holds of the users anyway.

    Args:
        job: of the night.
        ingested: its ratings.
        scorers: the published ones, with a row for every user and item of the night.
    """
    n_users = scorers["main"].n_users
    nobody = Folded(scorers, np.zeros(n_users, np.bool_), np.zeros(n_users, np.uint64))
    if job.in_use is None or HISTORIES not in scorers:
        return nobody
    described = job.in_use.description
    stored = stored_fold(described, scorers)
    if stored is None:
        job.progress.say(f"{described.model} cannot fold users in: all keep the vectors that it was trained with")
        return nobody
    to_weight = None if stored.recency is None else stored.recency.weights
    plan = FoldPlan(stored.fold, from_columns(scorers[HISTORIES].user), to_weight)
    with whole_files(job.spark):
        rows = fold_users(ingested.read(job.spark, "ratings"), plan).toArrow()
    found = _put(nobody, rows)
    n = int(found.users.sum())
    job.summary.counts["users_folded_in"] = n
    job.progress.say(f"{n:,} users are folded in: their ratings are not those that the model was fitted on")
    return found


def _put(nobody: Folded, rows: pa.Table) -> Folded:
    """Put the vectors of `fold_users` into the scorers."""
    scorers, users, digests = nobody.scorers, nobody.users.copy(), nobody.digests.copy()
    for name in rows.column("scorer").unique().to_pylist():
        mine = rows.filter(pc.equal(rows.column("scorer"), name)).combine_chunks()
        index = mine.column("user_index").to_numpy()
        vectors = mine.column("vector").combine_chunks().flatten().to_numpy().reshape(len(index), -1)
        has_bias = scorers[name].user_bias is not None
        side = UserSide(vectors, mine.column("bias").to_numpy() if has_bias else None)
        scorers = with_sides(scorers, index, {name: side})
        users[index] = True
        digests[index] = mine.column("digest").to_numpy().astype(np.uint64)
    return Folded(scorers, users, digests)
