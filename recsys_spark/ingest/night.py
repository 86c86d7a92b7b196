"""The ingest of one night: from the source to encoded ratings, vocabularies and seen lists.

Every step reads what the step before has stored, so that a source is read once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from recsys_spark.errors import ConfigError, DataError
from recsys_spark.ingest import exclusions, quality, tables
from recsys_spark.ingest.encoding import Vocabularies, Vocabulary, encode, extend
from recsys_spark.ingest.exclusions import ExclusionCounts
from recsys_spark.ingest.forgotten import Forgotten, emptied, emptied_lines, without_forgotten
from recsys_spark.ingest.metadata import no_metadata, of_type, read_metadata
from recsys_spark.ingest.settings import (
    ExclusionsSource,
    IdTypes,
    ItemsSource,
    MetadataSource,
    QualitySettings,
    RatingsSource,
    SeenFilter,
    SplitSettings,
    UsersSource,
)
from recsys_spark.ingest.source_age import check_source_age
from recsys_spark.ingest.sources import column_of, open_table
from recsys_spark.ingest.sources.failures import SPARK_FAILURES, cannot_read
from recsys_spark.ingest.splitting import divided
from recsys_spark.run import Run, end_of
from recsys_spark.schemas import PinnedIds
from recsys_spark.side_by_side import side_by_side
from recsys_spark.staged import read_staged
from recsys_spark.storage import Folder


@dataclass(frozen=True)
class NightInputs:
    """The settings that an ingest follows."""

    source: RatingsSource
    items: ItemsSource
    users: UsersSource
    quality: QualitySettings
    split: SplitSettings
    seen: SeenFilter | None = None
    """Which seen rows the seen lists are made of; none: all of them."""

    exclude: ExclusionsSource | None = None
    """Pairs that must not be published."""

    forgotten: Forgotten | None = None
    """Users of whom nothing may be kept."""

    event_weights: Mapping[str, float] | None = None
    """What an event counts where there are no ratings; none: 1."""


@dataclass(frozen=True)
class Metadata:
    """The metadata tables, one row for each id (text); empty where there is none."""

    users: DataFrame
    items: DataFrame


def read_ratings(spark: SparkSession, source: RatingsSource) -> DataFrame:
    """The ratings as text: `user`, `item`, `rating_text`, `timestamp_text`, `_malformed`, `_origin`.

    There is `event`, too, where the settings name its column.
    """
    table = open_table(spark, source, "source")
    text = {"user": "user", "item": "item", "rating": "rating_text", "timestamp": "timestamp_text"}
    if source.columns.event is not None:
        text["event"] = "event"
    columns = []
    for role, name in text.items():
        ref = getattr(source.columns, role)
        column = F.lit(None).cast("string") if ref is None else column_of(table, ref, f"source.columns.{role}")
        columns.append(column.alias(name))
    return table.select(*columns, "_malformed", "_origin")


def check_and_store(spark: SparkSession, inputs: NightInputs, folder: Folder) -> tuple[DataFrame, int]:
    """Read the source once, judge each row by itself, and store all of them; those of forgotten users without content.

    Returns:
        The stored rows, and how many rows the source gave, counted while it was read.

    Raises:
        DataError: the source cannot be read to its end, or has no row.
    """
    read = Observation("source")
    rows = read_ratings(spark, inputs.source).observe(read, F.count(F.lit(1)).alias("rows"))
    implicit = quality.Implicit(inputs.event_weights) if inputs.source.columns.rating is None else None
    rows = quality.check_rows(rows, inputs.quality, implicit)
    if inputs.forgotten is not None:
        rows = emptied(rows, quality.FORGOTTEN, inputs.forgotten)
    try:
        rows.write.mode("overwrite").parquet(str(folder / "checked"))
    except SPARK_FAILURES as error:
        raise cannot_read("source", inputs.source, error) from error
    ratings_read = int(read.get["rows"])
    if ratings_read == 0:
        where = " that source.where keeps" if inputs.source.where else ""
        key, place = f"source.{inputs.source.place_key}", inputs.source.place
        raise DataError(key, expected=f"at least one rating{where}", found=f"none in '{place}'")
    return read_staged(spark, folder / "checked"), ratings_read


def pinned_types(checked: DataFrame, wanted: IdTypes, known: Vocabularies | None) -> PinnedIds:
    """The id types: those of earlier runs, else found in the rows and pinned from now on."""
    if known is None:
        found = quality.pin_id_types(checked, {"user": wanted.user, "item": wanted.item})
        if found is None:
            reasons = ", ".join(
                f"{r['reason']}: {r['count']:,}"
                for r in checked.groupBy("reason").count().orderBy("count", ascending=False).head(3)
            )
            hint = "are separator, header and columns those of the file?"
            raise DataError("source", expected="at least one sound rating", found=f"none ({reasons})", hint=hint)
        return found
    for side in ("user", "item"):
        want, have = getattr(wanted, side), getattr(known.ids, side)
        if want not in ("auto", have):
            hint = "ids are pinned on the first night; another type needs another output folder"
            raise ConfigError(f"source.id_type.{side}", expected=f"auto or {have}", found=want, hint=hint)
    return known.ids


def classify_and_store(
    spark: SparkSession, checked: DataFrame, ids: PinnedIds, inputs: NightInputs, metadata: Metadata, folder: Folder
) -> DataFrame:
    """Give every row its final reason, or none, and store all of them."""
    if inputs.forgotten is not None:
        checked = emptied_lines(checked, quality.FORGOTTEN, inputs.forgotten)
    rows = quality.check_id_types(checked, ids)
    if inputs.items.where is not None:
        rows = quality.keep_only(rows, "item", metadata.items)
    if inputs.users.where is not None:
        rows = quality.keep_only(rows, "user", metadata.users)
    rows = quality.resolve_duplicates(rows, inputs.quality.duplicates)
    rows = quality.require_ratings(rows, "item", inputs.quality.min_ratings_per_item)
    rows = quality.require_ratings(rows, "user", inputs.quality.min_ratings_per_user)
    rows.write.mode("overwrite").parquet(str(folder / "classified"))
    return read_staged(spark, folder / "classified")


def store_quarantine(classified: DataFrame, folder: Folder) -> None:
    """Store the rows that have a reason."""
    quality.quarantined_rows(classified).write.mode("overwrite").parquet(str(folder / "quarantine"))


def load_metadata(spark: SparkSession, inputs: NightInputs) -> Metadata:
    """Both metadata tables, with what their `where` keeps.

    Raises:
        DataError: one of them cannot be read to its end.
    """
    users, items = side_by_side(
        lambda: _metadata(spark, inputs.users, "user"), lambda: _metadata(spark, inputs.items, "item")
    )
    return Metadata(users=without_forgotten(users, "id", inputs.forgotten), items=items)


def check_exclusions(spark: SparkSession, inputs: NightInputs, run: Run, folder: Folder) -> None:
    """Check the table of excluded pairs, if there is one, and store its rows; early, as a bad one ends the night."""
    if inputs.exclude is not None:
        exclusions.check_and_store(spark, inputs.exclude, run.as_of, folder, inputs.forgotten)


def extend_vocabularies(
    spark: SparkSession, seen: DataFrame, metadata: Metadata, ids: PinnedIds, run: Run, folder: Folder
) -> Vocabularies:
    """Add every new id of the ratings and the metadata to the vocabularies.

    They are not saved yet: the ids of a night whose data turns out to be bad must not stay for ever.
    """
    known = Vocabularies.load(run.state) or Vocabularies(users=Vocabulary(ids.user), items=Vocabulary(ids.item))

    def extended(side: Literal["user", "item"], vocabulary: Vocabulary, described: DataFrame) -> Vocabulary:
        everyone = seen.select(F.col(side).alias("id")).unionByName(of_type(described, vocabulary.id_type).select("id"))
        typed = everyone.select(F.col("id").cast(vocabulary.id_type).alias("id"))
        return extend(spark, vocabulary, typed, state=run.state, scratch=folder, side=side, run_id=run.run_id)

    users, items = side_by_side(
        lambda: extended("user", known.users, metadata.users), lambda: extended("item", known.items, metadata.items)
    )
    return Vocabularies(users=users, items=items)


def encode_and_store(
    spark: SparkSession,
    classified: DataFrame,
    vocabularies: Vocabularies,
    inputs: NightInputs,
    run: Run,
    folder: Folder,
) -> None:
    """Store `ratings` in training order."""
    users, items = vocabularies.users.read(spark, run.state), vocabularies.items.read(spark, run.state)
    accepted = encode(classified.where(F.col("reason").isNull()), users, items)
    in_order = tables.in_training_order(divided(accepted, inputs.split))
    in_order.write.mode("overwrite").parquet(str(folder / "ratings"))


def check_age(spark: SparkSession, inputs: NightInputs, run: Run, folder: Folder) -> None:
    """Stop if the newest of the stored ratings is older than `quality.max_source_age`."""
    if inputs.quality.max_source_age is not None:
        ratings = tables.read_training_set(spark, folder / "ratings")
        check_source_age(ratings, end_of(run.as_of), inputs.quality.max_source_age, stage=str(folder / "ratings"))


def encode_exclusions(
    spark: SparkSession, vocabularies: Vocabularies, inputs: NightInputs, run: Run, folder: Folder
) -> ExclusionCounts | None:
    """Store the excluded pairs that are in force by their indices; none: there is no table of them."""
    if inputs.exclude is None:
        return None
    users, items = vocabularies.users.read(spark, run.state), vocabularies.items.read(spark, run.state)
    return exclusions.encode_and_store(spark, users, items, folder)


def describe_and_store(
    spark: SparkSession,
    classified: DataFrame,
    vocabularies: Vocabularies,
    metadata: Metadata,
    inputs: NightInputs,
    run: Run,
    folder: Folder,
    *,
    others_seen: bool,
) -> None:
    """Store `items`, `users`, and the lists of seen and of barred items of the users of the run.

    `others_seen` tells whether any row that was not accepted names a user and an item; most nights none does, and then
    nothing is joined for them. Where a filter says which seen rows count, it decides about the lists and nothing else,
    and the run is warned if no row counts.
    """
    users, items = vocabularies.users.read(spark, run.state), vocabularies.items.read(spark, run.state)
    ratings = tables.read_training_set(spark, folder / "ratings")
    others = quality.seen_rows(classified).where(F.col("reason").isNotNull())
    pairs = tables.seen_pairs(ratings, encode(others, users, items) if others_seen else None)

    def describe(side: Literal["user", "item"], vocabulary: DataFrame, described: DataFrame, where: str | None) -> None:
        rows = tables.describe_ids(vocabulary, pairs, described, side, only_described=where is not None)
        rows.write.mode("overwrite").parquet(str(folder / f"{side}s"))

    side_by_side(
        lambda: describe("item", items, metadata.items, inputs.items.where),
        lambda: describe("user", users, metadata.users, inputs.users.where),
    )
    of_run = read_staged(spark, folder / "users").where("eligible")
    listed = pairs
    if inputs.seen is not None:
        counting = quality.rows_that_count(quality.seen_rows(classified), inputs.seen, end_of(run.as_of))
        listed = encode(counting, users, items)
    barred = None if inputs.exclude is None else read_staged(spark, folder / "barred")
    sizes = {"n_users": vocabularies.users.size, "n_items": vocabularies.items.size}
    tables.seen_lists(of_run, listed, barred, **sizes).write.mode("overwrite").parquet(str(folder / "seen"))
    if inputs.seen is not None and read_staged(spark, folder / "seen").where(F.size("seen") > 0).isEmpty():
        run.warn("scoring.exclude_seen: no seen row counts, so that lists hold what their users have seen")


def _metadata(spark: SparkSession, source: MetadataSource, side: Literal["user", "item"]) -> DataFrame:
    if not source.is_given:
        return no_metadata(spark)
    table = read_metadata(spark, source, side)
    try:
        # read through once for its own sake: later its failures would look like those of the step that uses it
        table.write.format("noop").mode("overwrite").save()
    except SPARK_FAILURES as error:
        raise cannot_read(f"{side}s", source, error) from error
    return table
