"""Who may get what, as the settings and the tables of a night say: allowed items, further lists, segments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from pyspark.sql import SparkSession

from recsys_spark.errors import DataError
from recsys_spark.ingest.ingested import Ingested
from recsys_spark.kernels.arrays import I32, Flags
from recsys_spark.kernels.segments import Segments
from recsys_spark.scoring.allowed import ITEMS_ALLOWED, items_where
from recsys_spark.scoring.segments import SECTION, Eligible, eligible_of, read_eligible, segment_of_users
from recsys_spark.scoring.settings import SegmentSettings
from recsys_spark.settings import Settings


@dataclass(frozen=True, eq=False)
class Eligibility:
    """What lists may hold; see `ScoringPlan`, whose arguments of the same names these become."""

    allowed: I32 | None = None
    """The items that may be in any list; none: all of them."""

    variants: dict[str, Flags] = field(default_factory=dict)
    segments: Segments | None = None
    segment_of: I32 | None = None

    @classmethod
    def of(cls, spark: SparkSession, settings: Settings, ingested: Ingested, say: Callable[[str], None]) -> Self:
        """Ask the tables of an ingest.

        Args:
            spark: the session.
            settings: of the night.
            ingested: of the night.
            say: takes a line about the segments.

        Raises:
            ConfigError: a condition is none.
            DataError: a condition or a table cannot be answered or read, or leaves nothing.
        """
        scoring, n_items = settings.scoring, ingested.vocabularies.items.size
        attributes = [name for name in settings.items.columns if name not in ("item", "title")]
        variants = {f"scoring.variants.{name}": text for name, text in scoring.variants.items()}
        conditions = dict(variants)
        if scoring.items_allowed is not None:
            conditions[ITEMS_ALLOWED] = scoring.items_allowed
        of_segment = dict[str, str]()
        if scoring.segments is not None:
            of_segment = {f"scoring.segments.where.{name}": text for name, text in scoring.segments.where.items()}
        found = dict[str, I32]()
        if conditions or of_segment:
            found = items_where(ingested.read(spark, "items"), attributes, conditions | of_segment)

        def flags(key: str) -> Flags:
            may_enter = np.zeros(n_items, np.bool_)
            may_enter[found[key]] = True
            return may_enter

        segments, segment_of = None, None
        if scoring.segments is not None:
            by_condition = {name: found[f"scoring.segments.where.{name}"] for name in scoring.segments.where}
            eligible = _eligible(spark, scoring.segments, by_condition, ingested, say)
            segments = eligible.segments
            segment_of = segment_of_users(
                ingested.read(spark, "users"),
                str(settings.users.segment),
                eligible.names,
                n_users=ingested.vocabularies.users.size,
                others=scoring.segments.others,
            )
            _say_segments(segment_of, len(eligible.names), say)
        return cls(
            allowed=found.get(ITEMS_ALLOWED),
            variants={name: flags(f"scoring.variants.{name}") for name in scoring.variants},
            segments=segments,
            segment_of=segment_of,
        )


def _eligible(
    spark: SparkSession,
    settings: SegmentSettings,
    by_condition: dict[str, I32],
    ingested: Ingested,
    say: Callable[[str], None],
) -> Eligible:
    if settings.table is None:
        return eligible_of(by_condition)
    eligible, unknown = read_eligible(spark, settings.table, ingested.read(spark, "items"))
    if not eligible.names:
        hint = "are its columns the right ones?"
        raise DataError(SECTION, expected="a row with an item that is known", found="none", hint=hint)
    if unknown:
        say(f"{SECTION}: {unknown:,} rows name an item that nobody knows")
    return eligible


def _say_segments(segment_of: I32, n_segments: int, say: Callable[[str], None]) -> None:
    inside = int(((segment_of >= 0) & (segment_of < n_segments)).sum())
    say(f"{n_segments:,} segments with {inside:,} users; {len(segment_of) - inside:,} users belong to none of them")
