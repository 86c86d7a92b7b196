"""Lists carried over from an earlier run: only users whose list might be another one are scored.

With one model and one set of rules a user's list depends on the candidates, on what is left out for the user, on the
user's segment and, if the user is folded in, on the user's ratings, and on nothing else. So it stays the same if what
is the user's does, no candidate has come, and no candidate that is in it has gone: items that were not good enough are
not missed. If a candidate has come, it might enter any list, and everybody is scored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.ingest.tables import users_in_a_block
from recsys_spark.kernels.arrays import I32, I64, Flags
from recsys_spark.run import input_key
from recsys_spark.scoring.all_pairs import ScoringPlan
from recsys_spark.scoring.flags import with_flag
from recsys_spark.storage import Folder

CARRIED = "carried"
"""Stands in the column `kernel` of lists that were not made in this run."""

_NO_USER = -3
"""The segment of a user who was not there: none that a user can have."""


@dataclass(frozen=True, eq=False)
class Basis:
    """What the lists of a run depend on beyond each user's own rows.

    Args:
        rules: a hash of the model, the settings and the eligible items of the segments.
        items: bool[lists + 1, n_items]: the candidates, then what may enter each further list.
        segment_of: i32[n_users]; of zeros if there are no segments.
        digests: i64[n_users]: what the vectors of folded-in users were made of, 0 for all others.
    """

    rules: str
    items: Flags
    segment_of: I32
    digests: I64

    @classmethod
    def of(cls, plan: ScoringPlan, model_id: str, settings: object, n_users: int) -> Self:
        """What the lists of a plan depend on.

        Args:
            plan: of the lists.
            model_id: of its scorer.
            settings: plain values: those of the scoring that decide about lists.
            n_users: users of the vocabulary.
        """
        segments = None
        if plan.segments is not None:
            ends = plan.segments.offsets
            sets = np.split(plan.segments.items, ends[1:-1])
            segments = [np.sort(of_segment).tolist() for of_segment in sets]
        n_items = len(plan.item_ids)
        items = np.zeros((len(plan.variants) + 1, n_items), np.bool_)
        items[0, plan.candidates] = True
        for row, flags in zip(items[1:], plan.variants.values(), strict=True):
            row[:] = flags & items[0]
        nobody = np.zeros(n_users, np.int32)
        segment_of = nobody if plan.segment_of is None else plan.segment_of
        digests = np.zeros(n_users, np.int64) if plan.digests is None else plan.digests.astype(np.int64)
        return cls(input_key(model_id, settings, list(plan.variants), segments), items, segment_of, digests)

    def save(self, folder: Folder) -> None:
        """Store it: a bit for each item and list, 12 bytes for each user."""
        files, path = folder.arrow
        files.create_dir(path, recursive=True)
        rows = {str(n): pa.array(row) for n, row in enumerate(self.items)}
        pq.write_table(pa.table(rows), f"{path}/items.parquet", filesystem=files)
        of_users = pa.table({"segment": self.segment_of, "digest": self.digests})
        pq.write_table(of_users, f"{path}/users.parquet", filesystem=files)
        folder.write_json("rules.json", self.rules)

    @classmethod
    def load(cls, folder: Folder) -> Self | None:
        """What was stored; none: nothing, or a part of it."""
        rules = folder.read_json("rules.json")
        if rules is None:
            return None
        files, path = folder.arrow
        items = pq.read_table(f"{path}/items.parquet", filesystem=files, partitioning=None)
        users = pq.read_table(f"{path}/users.parquet", filesystem=files, partitioning=None)
        if "digest" not in users.column_names:
            return None
        of_users = (users.column(name).to_numpy() for name in ("segment", "digest"))
        return cls(rules, np.stack([c.to_numpy() for c in items.columns]), *of_users)


@dataclass(frozen=True, eq=False)
class Changes:
    """What is another thing than it was, beyond the users' own rows.

    Args:
        everybody: why every user is scored; none: only some.
        gone: bool[n_items], candidates that are none any more.
        moved: bool[n_users], users whose segment or vector is another one.
    """

    everybody: str | None
    gone: Flags
    moved: Flags

    @classmethod
    def between(cls, before: Basis, now: Basis) -> Self:
        """Compare two bases; the vocabularies of the later one have grown or are the same."""
        lists, n_items = now.items.shape
        n_users = len(now.segment_of)
        if before.rules != now.rules or len(before.items) != lists:
            return cls("another model or other rules", np.zeros(n_items, np.bool_), np.zeros(n_users, np.bool_))
        items = np.zeros_like(now.items)
        items[:, : before.items.shape[1]] = before.items
        came = int((now.items & ~items).any(axis=0).sum())
        segments = np.full(n_users, _NO_USER, np.int32)
        segments[: len(before.segment_of)] = before.segment_of
        everybody = f"{came:,} items may enter lists that they might not enter before" if came else None
        gone: Flags = np.any(items & ~now.items, axis=0)
        digests = np.zeros(n_users, np.int64)
        digests[: len(before.digests)] = before.digests
        return cls(everybody, gone, (segments != now.segment_of) | (digests != now.digests))


def changed_users(users: DataFrame, users_before: DataFrame, lists_before: DataFrame, changes: Changes) -> DataFrame:
    """The users who must be scored.

    Args:
        users: of this run: `user_id`, `user_index`, `seen`: all that is left out for them.
        users_before: of the earlier run, likewise.
        lists_before: the earlier run's staged lists.
        changes: what else has changed.

    Returns:
        Their rows, in blocks of neighbouring indices as the lists of seen items are.
    """
    earlier = users_before.select("user_index", F.col("seen").alias("seen_before"))
    entries = lists_before.select("user_index", F.explode("item_indices").alias("item_index"))
    losing = with_flag(entries, "gone", changes.gone, index="item_index").where("gone")
    losing = losing.select("user_index").distinct().withColumn("loses", F.lit(True))
    rows = with_flag(users, "moved", changes.moved, index="user_index")
    rows = rows.join(earlier, on="user_index", how="left").join(losing, on="user_index", how="left")
    # null before: a user who had no list
    same = F.coalesce(F.col("seen") == F.col("seen_before"), F.lit(False))
    changed = rows.where(~same | F.col("moved") | F.col("loses").isNotNull())
    n_users, in_block = len(changes.moved), users_in_a_block(len(changes.gone))
    block = F.floor(F.col("user_index") / in_block).cast("int")
    blocks = max(1, -(-n_users // in_block))
    return changed.select(*users.columns).repartitionById(blocks, block).sortWithinPartitions("user_index")


def carried_lists(lists_before: DataFrame, users: DataFrame, changed: DataFrame) -> DataFrame:
    """The lists of the users of this run who need not be scored: those of the earlier run.

    Args:
        lists_before: the earlier run's staged lists.
        users: of this run.
        changed: those of them who are scored.
    """
    kept = users.select("user_index").join(changed.select("user_index"), on="user_index", how="left_anti")
    told = {"kernel": F.lit(CARRIED), "pairs_scored": F.lit(0)}
    return lists_before.join(kept, on="user_index", how="left_semi").withColumns(told)
