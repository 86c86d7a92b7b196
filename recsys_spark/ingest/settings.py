"""Settings of the sources, the quality rules and the split."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from recsys_spark.config import Section
from recsys_spark.ingest.table_source import ColumnRef, TableSource

IdType = Literal["auto", "string", "long"]


class RatingColumns(Section):
    """Which columns of the source hold what."""

    user: ColumnRef = "user_id"
    """The user's id: text or integers."""

    item: ColumnRef = "item_id"
    """The item's id: text or integers."""

    rating: ColumnRef | None = "rating"
    """The rating: a number. None, for `training.objective` ranking: implicit feedback, where each row counts 1 or what
    `training.event_weights` says of its event."""

    timestamp: ColumnRef | None = None
    """When it was given: seconds since 1970 (UTC), or an ISO 8601 timestamp."""

    event: ColumnRef | None = None
    """The kind of event, such as `view` or `purchase`: text. `scoring.exclude_seen.events` tells kinds apart."""


class IdTypes(Section):
    """The type that ids are pinned to on the first night."""

    user: IdType = "auto"
    """auto: long if every id of the first night is an integer in plain form, else string."""

    item: IdType = "auto"
    """auto: long if every id of the first night is an integer in plain form, else string."""


class RatingsSource(TableSource):
    """The ratings. `where` removes rows before anything is counted."""

    columns: RatingColumns = RatingColumns()
    """Which columns hold user, item, rating and timestamp."""

    id_type: IdTypes = IdTypes()
    """How ids are read."""


class FeatureColumns(Section):
    """Columns that a model may use, by the names that the section's `columns` gives them."""

    numeric: tuple[str, ...] = ()
    """Numbers, missing ones allowed."""

    categorical: tuple[str, ...] = ()
    """Categories, one or (with a separator) several in a field."""

    scaling: Literal["quantile", "standard"] = "quantile"
    """Of numbers. quantile: the share of the fit's items or users below, 0 to 1; standard: mean 0, deviation 1."""

    separators: dict[str, Annotated[str, Field(min_length=1)]] = {}
    """What stands between the categories of a field, for columns that hold several, such as {genres: "|"}."""

    max_categories: int = Field(64, ge=1)
    """The most frequent categories of a column that get a column of their own; the rest share the column `other`."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every column used, once."""
        return tuple(dict.fromkeys((*self.numeric, *self.categorical)))

    @field_validator("numeric", "categorical")
    @classmethod
    def _each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError("each column once")
        return names

    @field_validator("separators")
    @classmethod
    def _of_categories(cls, separators: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        categorical = info.data.get("categorical")
        if categorical is not None:  # itself valid
            _refuse_unknown(separators, categorical, "columns that `categorical` names")
        return separators


class MetadataSource(TableSource):
    """A table with one row for each user or item."""

    id_column: ClassVar[Literal["item", "user"]]
    """The key of `columns` that holds the id."""

    columns: dict[str, ColumnRef] = {}
    """The id (`item` or `user`), the `title` of an item, and any other column to keep, by its new name."""

    features: FeatureColumns = FeatureColumns()
    """Columns that a model may use."""

    @field_validator("features")
    @classmethod
    def _are_kept(cls, features: FeatureColumns, info: ValidationInfo) -> FeatureColumns:
        if "columns" in info.data:  # itself valid
            kept = [name for name in info.data["columns"] if name != cls.id_column]
            _refuse_unknown(features.names, kept, f"names that `columns` gives, other than '{cls.id_column}'")
        return features

    @model_validator(mode="after")
    def _names_its_id(self) -> Self:
        if self.is_given and self.id_column not in self.columns:
            raise ValueError(f"columns with the key '{self.id_column}' (which column holds the id)")
        return self


class ItemsSource(MetadataSource):
    """The items' table: titles and attributes. `where` restricts training and candidates."""

    id_column = "item"


class UsersSource(MetadataSource):
    """The users' table. `where` restricts training and the users who get a list."""

    id_column = "user"

    segment: str | None = None
    """The column (by its name in `columns`) that decides which items a user may get, see `scoring.segments`."""

    @model_validator(mode="after")
    def _knows_its_segment(self) -> Self:
        if self.segment is not None:
            _refuse_unknown([self.segment], [c for c in self.columns if c != "user"], "a name that `columns` gives")
        return self


class ExclusionColumns(Section):
    """Which columns of an exclusion table hold what."""

    user: ColumnRef = "user_id"
    """The user's id, written as in the ratings."""

    item: ColumnRef = "item_id"
    """The item's id, written as in the ratings."""

    until: ColumnRef | None = None
    """Till when: a date, to its end (UTC), or an ISO 8601 timestamp; empty or no column: for ever."""


class EligibleColumns(Section):
    """Which columns of a table of eligible items hold what."""

    segment: ColumnRef = "segment"
    """The segment, as it stands in the users' table."""

    item: ColumnRef = "item_id"
    """The item's id."""


class EligibleSource(TableSource):
    """The items that the users of a segment may get, one in each row."""

    columns: EligibleColumns = EligibleColumns()
    """Which columns hold segment and item."""

    @model_validator(mode="after")
    def _lies_somewhere(self) -> Self:
        if not self.is_given:
            raise ValueError("a path or url: where the table of eligible items lies")
        return self


class ExclusionsSource(TableSource):
    """A table of pairs that must not be published, one in each row."""

    columns: ExclusionColumns = ExclusionColumns()
    """Which columns hold user, item and the end of the exclusion."""

    @model_validator(mode="after")
    def _lies_somewhere(self) -> Self:
        if not self.is_given:
            raise ValueError("a path or url: where the table of excluded pairs lies")
        return self


class PairColumns(Section):
    """Which columns of a table of pairs hold what."""

    user: ColumnRef = "user_id"
    """The user's id, written as in the ratings."""

    item: ColumnRef = "item_id"
    """The item's id, written as in the ratings."""


class PairsSource(TableSource):
    """A table of pairs, one in each row. Only the job `score_pairs` reads it."""

    columns: PairColumns = PairColumns()
    """Which columns hold user and item."""


def _refuse_unknown(names: Iterable[str], known: Collection[str], expected: str) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            advice = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(known) or 'none'}"
            raise ValueError(f"{expected}; '{name}' is not one ({advice})")


class QualitySettings(Section):
    """Which rows are accepted."""

    rating_range: tuple[float, float] | None = None
    """Lowest and highest rating accepted, in rating units; none: any finite number."""

    drop_ratings: tuple[float, ...] = ()
    """Ratings that mean "seen, not rated", such as -1: not trained on, but the item counts as seen."""

    duplicates: Literal["latest", "mean", "sum", "first", "error"] = "latest"
    """Which rating of several for one user and item is kept; ties by the higher (latest) or lower (first) rating. mean,
    sum: the latest, with the mean or the sum of all of them; of events best their sum."""

    min_ratings_per_user: int = Field(0, ge=0)
    """Users with fewer accepted ratings are left out of training (their items stay seen)."""

    min_ratings_per_item: int = Field(0, ge=0)
    """Items with fewer accepted ratings are left out of training."""

    max_quarantined_share: float = Field(0.05, ge=0, le=1)
    """The share of rows that may be defect (0 to 1); above it the run stops."""

    max_source_age: float | None = Field(None, gt=0, le=36_500)
    """Days from the newest accepted rating to the end of the `as_of` day, UTC, above which the run stops; ratings after
    that day do not count. None: any. Needs `source.columns.timestamp`."""

    @model_validator(mode="after")
    def _range_in_order(self) -> Self:
        if self.rating_range is not None and self.rating_range[0] > self.rating_range[1]:
            raise ValueError("rating_range as [lowest, highest]")
        return self


class SeenFilter(Section):
    """Which seen rows leave their item out of a user's list: those that satisfy all that is given."""

    within_days: int | None = Field(None, ge=1, le=36_500)
    """Those of the last days, counted back from the end of the `as_of` day, UTC; and those without a timestamp."""

    events: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Those whose event (`source.columns.event`) is one of these, letter by letter."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.within_days is None and self.events is None:
            raise ValueError("within_days, events or both")
        return self


class SplitSettings(Section):
    """How ratings are divided."""

    strategy: Literal["random", "random_per_user", "temporal", "leave_last", "held_out_users"] = "random"
    """random: each rating by a hash of its key; random_per_user: the fractions of each user's ratings, rounded down;
    leave_last: each user's last rating, and the one before it for validation; temporal: the last days; held_out_users:
    fractions of the users, of whom no fit knows more than a history, from which they are folded in."""

    test_fraction: float = Field(0.2, ge=0, lt=1)
    """Share of ratings held out for the test part (0 to below 1); leave_last: 0 for no such part; held_out_users: share
    of users."""

    validation_fraction: float = Field(0.1, ge=0, lt=1)
    """Share of ratings held out to choose the number of epochs (0 to below 1); leave_last: 0 for no such part;
    held_out_users: share of users."""

    history_fraction: float = Field(0.8, gt=0, lt=1)
    """Of held_out_users: share of a held-out user's ratings that are the history, rounded up."""

    gap: int = Field(0, ge=0, le=36_500)
    """Days before each later part of a temporal split that belong to none."""

    seed: int = 42
    """Another seed, another split; the same seed, the same split for ever."""

    @model_validator(mode="after")
    def _something_to_train_on(self) -> Self:
        if self.test_fraction + self.validation_fraction >= 1:
            raise ValueError("test_fraction + validation_fraction below 1")
        if self.gap and self.strategy != "temporal":
            raise ValueError("gap only with the strategy temporal")
        return self
