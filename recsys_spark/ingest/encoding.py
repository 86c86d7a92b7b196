"""Vocabularies: a dense, stable index for every id ever seen.

A vocabulary only grows. The ids that are new in a run are sorted and get the next indices, and an id keeps its index
for ever, so that vectors trained on different nights can be compared. Each run's addition is one folder of Parquet
files (`id`, `index`, `first_seen_run`); a small state file, replaced atomically, lists those that count.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Literal

from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType

from recsys_spark.ingest.quality import is_id
from recsys_spark.schemas import IdName, PinnedIds
from recsys_spark.storage import Folder

STATE_FILE = "vocabularies.json"
SPARK_TYPES = {"string": "string", "long": "bigint"}


@dataclass(frozen=True)
class Addition:
    """The ids that one run added."""

    folder: str
    size: int
    digest: str


@dataclass(frozen=True)
class Vocabulary:
    """The ids of all users or of all items, by the additions that hold them."""

    id_type: IdName
    additions: tuple[Addition, ...] = ()

    @property
    def size(self) -> int:
        """How many ids there are; indices are 0..size-1."""
        return sum(addition.size for addition in self.additions)

    @property
    def digest(self) -> str:
        """A hash of all ids and their indices (sha256, 16 hex digits)."""
        return hashlib.sha256("".join(a.digest for a in self.additions).encode()).hexdigest()[:16]

    def begins_with(self, size: int, digest: str) -> bool:
        """Whether some night's vocabulary of this size and digest is this one, or an earlier state of it."""
        earlier = (Vocabulary(self.id_type, self.additions[:n]) for n in range(len(self.additions) + 1))
        return any((then.size, then.digest) == (size, digest) for then in earlier)

    def read(self, spark: SparkSession, state: Folder) -> DataFrame:
        """The whole vocabulary: `id` in its pinned type, `index` int, `first_seen_run` string."""
        schema = f"id {SPARK_TYPES[self.id_type]}, index int, first_seen_run string"
        return spark.read.schema(schema).parquet(*(str(state / a.folder) for a in self.additions))


@dataclass(frozen=True)
class Vocabularies:
    """Users and items."""

    users: Vocabulary
    items: Vocabulary

    @property
    def ids(self) -> PinnedIds:
        """The pinned id types."""
        return PinnedIds(user=self.users.id_type, item=self.items.id_type)

    @classmethod
    def load(cls, state: Folder) -> Vocabularies | None:
        """What earlier runs left; none on the first night."""
        stored = state.read_json(STATE_FILE)
        if stored is None:
            return None
        sides = {
            side: Vocabulary(v["id_type"], tuple(Addition(**a) for a in v["additions"])) for side, v in stored.items()
        }
        return cls(**sides)

    def save(self, state: Folder) -> None:
        """Make these the vocabularies that the next run finds. Only now do new additions count."""
        state.write_json(STATE_FILE, asdict(self))


def extend(
    spark: SparkSession,
    vocabulary: Vocabulary,
    ids: DataFrame,
    *,
    state: Folder,
    scratch: Folder,
    side: Literal["user", "item"],
    run_id: str,
) -> Vocabulary:
    """Give the ids that are not in the vocabulary yet the next indices, in the order of the ids.

    Spark sorts the new ids into files; an index is the number of rows in the files before, plus the row's place in its
    own. The driver collects one row for each of those files and nothing that grows with the ids.

    Args:
        spark: the session.
        vocabulary: as earlier runs left it.
        ids: column `id` in the pinned type; repetition allowed.
        state: where additions lie.
        scratch: a private folder of this run.
        side: which of the two vocabularies.
        run_id: becomes `first_seen_run`.

    Returns:
        The vocabulary with its new addition, or as it was if there is nothing new. Not saved yet. The driver collects
        one row for each file of new ids, which Spark's partitions limit.
    """
    new = ids.select("id").distinct()
    if vocabulary.additions:
        new = new.join(vocabulary.read(spark, state).select("id"), on="id", how="left_anti")
    in_order = scratch / f"new_{side}s"
    new.orderBy("id").write.mode("overwrite").parquet(str(in_order))
    located = (
        spark.read.schema(f"id {SPARK_TYPES[vocabulary.id_type]}")
        .parquet(str(in_order))
        .select("id", F.col("_metadata.file_name").alias("file"), F.col("_metadata.row_index").alias("row"))
    )
    files = located.groupBy("file").agg(F.count("*").alias("size")).orderBy("file").collect()
    if not files:
        return vocabulary
    starts, at = {}, vocabulary.size
    for file in files:
        starts[file["file"]], at = at, at + file["size"]
    folder = f"{side}s/{len(vocabulary.additions):06d}-{run_id}"
    indexed = located.select(
        "id", (_start_of_file(starts) + F.col("row")).cast("int").alias("index"), F.lit(run_id).alias("first_seen_run")
    )
    written = Observation()
    content = F.bit_xor(F.xxhash64("id", "index"))
    indexed.observe(written, content.alias("content")).write.mode("overwrite").parquet(str(state / folder))
    size = at - vocabulary.size
    digest = hashlib.sha256(f"{size} {written.get['content']}".encode()).hexdigest()[:16]
    added = Addition(folder, size, digest)
    return Vocabulary(vocabulary.id_type, (*vocabulary.additions, added))


def encode(rows: DataFrame, users: DataFrame, items: DataFrame) -> DataFrame:
    """Add `user_id` and `item_id` in their pinned types, and `user_index`, `item_index`.

    Args:
        rows: text columns `user`, `item`, every id of them in the vocabularies.
        users: from `Vocabulary.read`.
        items: from `Vocabulary.read`.
    """
    by_user = users.select(F.col("id").alias("user_id"), F.col("index").alias("user_index"))
    by_item = items.select(F.col("id").alias("item_id"), F.col("index").alias("item_index"))
    typed = rows.withColumn("user_id", typed_id("user", by_user)).withColumn("item_id", typed_id("item", by_item))
    return typed.join(by_user, on="user_id", how="inner").join(by_item, on="item_id", how="inner")


def typed_id(column: str, vocabulary: DataFrame) -> Column:
    """A text column in the type of the vocabulary's ids; what is not of that type becomes null."""
    kind = vocabulary.schema[0].dataType
    return F.when(is_id(column, "long" if isinstance(kind, LongType) else "string"), F.col(column).try_cast(kind))


def _start_of_file(starts: dict[str, int]) -> Column:
    entries = [F.lit(x) for pair in starts.items() for x in pair]
    return F.create_map(*entries)[F.col("file")]
