"""Settings of the scoring."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from recsys_spark.config import Section
from recsys_spark.ingest.settings import EligibleSource, ExclusionsSource, SeenFilter


def _kind(value: Any) -> str:
    # the hyphens keep these names out of the keys that messages show
    return "some-rows" if isinstance(value, dict | SeenFilter) else "all-or-none"


AllOrSome = Annotated[
    Annotated[bool, Tag("all-or-none")] | Annotated[SeenFilter, Tag("some-rows")], Discriminator(_kind)
]
"""Of the seen rows: all, none, or those that a filter lets count."""


class SegmentSettings(Section):
    """Which items are eligible for the users of a segment. What `items_allowed` leaves out is so for all of them."""

    where: dict[str, str] = {}
    """For a few segments: by segment a SQL condition like `items_allowed`."""

    table: EligibleSource | None = None
    """For many: a table with a row for each segment and eligible item."""

    others: Literal["all", "none"] = "none"
    """What users get whose segment is not among these, or who have none: every item, or an empty list."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if bool(self.where) == (self.table is not None):
            raise ValueError("either `where` or `table`")
        return self


class DiversitySettings(Section):
    """Lists that trade scores for variety, chosen out of the best entries of each user."""

    pool: int = Field(100, ge=1, le=1000)
    """Entries that a list is chosen out of: the best ones of each user."""

    relevance: float | None = Field(None, gt=0, le=1)
    """By maximal marginal relevance, what the score of an item counts, against its likeness to what is chosen already,
    which counts the rest: cosine of the model's vectors of items. None: by score alone."""

    max_share: float | None = Field(None, gt=0, le=1)
    """The share of the lists that an item may be in. All first choices are dealt out first, then the second ones and
    so on; at one place users come in the order of a hash. None: any share."""

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if self.relevance is None and self.max_share is None:
            raise ValueError("relevance, max_share or both")
        return self


class SimilarItemsSettings(Section):
    """The most similar items of every item: what the job `similar_items` makes."""

    enabled: bool = False
    """Whether a night that has published its lists makes the table as well."""

    top_n: int = Field(20, ge=1, le=10_000)
    """Items in the list of an item, at most."""

    measure: Literal["auto", "cosine", "dot", "correlation"] = "auto"
    """cosine, dot: of the model's vectors of items, without biases; not for models with dense layers, whose vectors say
    nothing by their angles. correlation: Pearson's, of the scores of two items over drawn users; for every model. auto:
    cosine for dot products, correlation for models with layers."""

    users: int = Field(1000, ge=2)
    """For correlation: users drawn among those whom the model knows; all of them if they are no more. The driver and
    each node hold 4 bytes for each of them and each item; fewer are drawn above 1 GiB."""

    seed: int = 42
    """For correlation: another seed, other users."""


class ScoringSettings(Section):
    """What each user gets."""

    top_n: int = Field(10, ge=1, le=10_000)
    """Items in a list, at most."""

    exclude_seen: AllOrSome = True
    """Whether items that a user has seen are left out; or, as {within_days, events}, which seen rows count for that."""

    exclude: ExclusionsSource | None = None
    """A table of pairs (user, item, until) that must not be published, whatever `exclude_seen` says."""

    items_allowed: str | None = None
    """A SQL condition over item_id, title, n_ratings, first_seen_run and the other names that `items.columns` gives (as
    text): only these items are candidates. Training is not affected."""

    segments: SegmentSettings | None = None
    """Which items the users of a segment may get; the segment of a user stands in the column `users.segment`."""

    min_score: float | None = None
    """Items with a lower published score are left out of a list. Lists by popularity have no scores of that kind and
    are left as they are."""

    users: tuple[str, ...] | None = None
    """Ids of the users who get a list; none: every user of the run."""

    top_users: int = Field(10, ge=1, le=10_000)
    """Users in the list of an item, at most: what the job `top_users` makes."""

    fallback: Literal["damped_mean", "popularity"] | None = None
    """Order of the items for users without a vector: by damped mean rating (`evaluation.baseline_damping`), or by
    number of ratings. None: the first if `training.objective` is rating, the second if it is ranking."""

    kernel: Literal["auto", "plain", "screen"] = "auto"
    """How lists are made; the rows are the same. plain: every pair is scored; screen: a bound in 8-bit arithmetic
    leaves out what cannot enter a list, where the model and the CPU allow it; auto: screen, where it pays."""

    mode: Literal["full", "incremental"] = "full"
    """full: every user is scored; incremental, with `training.use_model`: only those whose list might have changed
    since the visible run, the other lists are carried over; the rows are the same."""

    variants: dict[str, str] = Field({}, max_length=62)
    """Further lists for each user, by name: a SQL condition like `items_allowed` says which items may enter each."""

    diversity: DiversitySettings | None = None
    """More variety within lists and among them; none: the best items of each user, whatever they are."""

    @model_validator(mode="after")
    def _diversity_has_room(self) -> Self:
        diversity = self.diversity
        if diversity is not None:
            if diversity.pool < self.top_n:
                raise ValueError(f"diversity.pool of at least top_n ({self.top_n})")
            if self.mode == "incremental":
                raise ValueError("mode full for diversity: a list may change by what is not in it")
            if self.variants and diversity.max_share is not None:
                raise ValueError("no variants for diversity.max_share")
        return self

    @property
    def leaves_out_seen(self) -> bool:
        """Whether any seen row leaves its item out of a list."""
        return self.exclude_seen is not False
