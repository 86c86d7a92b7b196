"""Settings of the output, the audit and the run."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from recsys_spark.config import Section
from recsys_spark.database.address import Address
from recsys_spark.database.settings import Connecting, Url
from recsys_spark.secret import Location, Secret


class OutputSettings(Section):
    """Where the tables go."""

    path: Location = "output"
    """The folder of all tables; relative to where the job is started."""

    format: Literal["delta", "parquet"] = "delta"
    """delta: one table per folder; parquet: run folders behind an atomic pointer."""

    catalog: str | None = None
    """`catalog.schema`, or a schema of the session's own catalog: the tables have names there, too. The schema is made
    if it is missing. None: they are read by path alone."""

    change_data_feed: bool = False
    """Keep the table `user_lists`, whose change data feed tells which users' lists a run has changed. Delta only."""

    history: int = Field(7, ge=1)
    """Runs kept in `top_n_history` and `user_outcomes`."""

    @field_validator("catalog")
    @classmethod
    def _is_a_name(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)?", name):
            raise ValueError("a schema or catalog.schema, each of letters, digits, _ and -, such as main.shop")
        return name

    @model_validator(mode="after")
    def _can_follow(self) -> Self:
        if self.format == "parquet":
            if self.change_data_feed:
                raise ValueError("output.format delta for output.change_data_feed: Parquet files have no change feed")
            if self.catalog is not None and self.history < 2:
                raise ValueError(
                    "output.history of at least 2 for output.catalog with output.format parquet: "
                    "a name leads to the run before for a moment"
                )
        return self


AT_LEAST, AT_MOST = "min_", "max_"
"""How the name of a rule begins; the rest of it names its figure."""


class Thresholds(Section):
    """Of one audit rule. A figure may reach a threshold; beyond it the rule is broken. None: it never is."""

    warn: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Beyond it there is a warning in the summary."""

    error: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Beyond it the run is not published."""

    def __bool__(self) -> bool:
        """Whether there is a threshold at all."""
        return self.warn is not None or self.error is not None

    def over(self, defaults: Self, *, at_most: bool) -> Self:
        """With the default of a threshold that is not given, if it would be reached before an error.

        Raises:
            ValueError: an error would come before the warning.
        """
        both = {"warn": defaults.warn, "error": defaults.error} | self.model_dump(include=self.model_fields_set)
        warn, error = both["warn"], both["error"]
        if warn is not None and error is not None and (warn > error if at_most else warn < error):
            if self.model_fields_set >= {"warn", "error"}:
                raise ValueError(f"a `warn` {'at most' if at_most else 'at least'} as high as `error`")
            both |= {name: None for name in both if name not in self.model_fields_set}
        return self.model_copy(update=both)


class Shares(Thresholds):
    """Thresholds of a share, 0 to 1."""

    warn: Annotated[float, Field(ge=0, le=1)] | None = None
    """Beyond it there is a warning in the summary."""

    error: Annotated[float, Field(ge=0, le=1)] | None = None
    """Beyond it the run is not published."""


class AuditSettings(Section):
    """What the figures of a run must keep to before it is published.

    `min_...`: the figure must be at least that; `max_...`: at most. Of several lists of a user (`scoring.variants`) the
    first counts. The *last run* is the visible one of the same output; without one its rules are not asked. A rule of
    which one threshold is given keeps the default of the other.
    """

    min_ok_share: Shares = Shares(warn=0.5)
    """At least this share of the users has the outcome `ok`: neither the fallback nor scores that overflow."""

    max_failed_share: Shares = Shares(warn=0, error=0.01)
    """At most this share of the users has the outcome `error`: scores that are not finite."""

    max_empty_share: Shares = Shares(warn=0.2, error=0.9)
    """At most this share of the users has an empty list, for whatever reason; a run without users counts as 1."""

    max_lost_share: Shares = Shares(warn=0.1, error=0.5)
    """At most this share of the last run's users is no longer among the users of this run."""

    max_score_excess: Thresholds = Thresholds(warn=0.5, error=5)
    """At most this far do scores of the model lie outside the range of the accepted ratings, as a multiple of the
    width of this range: with ratings from 1 to 5, a score of 7 or of -1 is 0.5. Not asked for `training.objective`
    ranking, whose scores are no ratings."""

    min_item_coverage: Shares = Shares()
    """At least this share of the run's items (in the source, kept by `items.where`) is in some user's list."""

    max_same_item_share: Shares = Shares(warn=0.95)
    """At most this share of the model's lists holds one and the same item; empty lists are not counted. Not asked if
    lists hold more than half of the run's items on average."""

    min_overlap: Shares = Shares(warn=0.2)
    """At least this much of the lists is that of the last run: the mean over the users of both runs, other than those
    with two empty lists, of the number of items in both lists divided by the length of the longer one."""

    max_mean_score_shift: Thresholds = Thresholds(warn=0.1, error=1)
    """At most this far is the mean score of the model's lists from that of the last run, up or down, as a multiple of
    the width of the range of the accepted ratings. Not asked for `training.objective` ranking."""

    max_worse_than_baseline: Thresholds = Thresholds(warn=0)
    """At most this much worse than the best baseline is the model on the test part: its `metric` divided by the least
    of theirs, minus 1; of NDCG 1 minus it divided by the largest. 0.05: five per cent worse; -0.1: it must be ten per
    cent better."""

    max_worse_than_last_run: Thresholds = Thresholds(warn=0.05, error=0.5)
    """At most this much worse than in the last run is the model on the test part: its `metric` divided by what it was
    then, minus 1; of NDCG 1 minus that. Asked only if the parts were made the same way then (`split.strategy`,
    `evaluation.protocol`)."""

    max_source_age: Thresholds = Thresholds()
    """At most this many days before the end of the `as_of` day, UTC, is the newest accepted rating; later ones do not
    count. `quality.max_source_age` asks the same before anything is trained, and here once more."""

    max_quarantined_share: Shares = Shares(warn=0.5)
    """At most this share of the rows read is quarantined, for whatever reason. `quality.max_quarantined_share` counts
    defects alone, and is asked before anything is trained."""

    metric: Literal["mse", "mae", "ndcg"] | None = None
    """What `max_worse_than_baseline` and `max_worse_than_last_run` are about, on the test part: an error, or NDCG at
    the least `evaluation.k`. None: `ndcg` for `training.objective` ranking; else `mae` if that is `training.loss`, else
    `mse`."""

    @property
    def rules(self) -> dict[str, Thresholds]:
        """The thresholds of each rule, by its name."""
        return {name: value for name, value in self if isinstance(value, Thresholds)}

    @field_validator("*")
    @classmethod
    def _with_defaults(cls, value: object, info: ValidationInfo) -> object:
        name = info.field_name or ""
        if isinstance(value, Thresholds):
            value = value.over(cls.model_fields[name].default, at_most=name.startswith(AT_MOST))
        return value


class ServeSettings(Section):
    """A database from which applications read the visible lists. It follows what is published."""

    url: Url | None = None
    """`jdbc:postgresql://host:port/database`, `jdbc:mariadb://...` or `jdbc:mysql://...`; none: there is none."""

    user: str | None = None
    """Who loads the tables; it owns them."""

    password: Secret | None = None
    """By reference: env:NAME or file:PATH."""

    top_n: str = Field("top_n", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,50}$")
    """The name of the table of the lists."""

    user_outcomes: str = Field("user_outcomes", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,50}$")
    """The name of the table of what became of each user."""

    connections: int = Field(4, ge=1, le=64)
    """Tasks that load at the same time."""

    batch: int = Field(5_000, ge=1, le=100_000)
    """Rows that a task sends at a time."""

    lock_seconds: int = Field(60, ge=1, le=3_600)
    """Seconds that the swap may wait for readers who hold a table in a transaction; new readers wait with it."""

    jdbc: Connecting = Connecting()
    """How the database is spoken to."""

    @property
    def address(self) -> Address:
        """The database; `url` is given."""
        assert self.url is not None
        return Address(self.url, self.user, self.password, self.jdbc)


class RunSettings(Section):
    """How a run behaves."""

    force: bool = False
    """Run every stage even if nothing changed (also `--replace`)."""

    lease_seconds: float = Field(300, ge=20)
    """How long a run on another host may be silent before it is taken for dead, and its output taken over."""

    log_format: Literal["text", "json"] = "text"
    """Of the lines on stderr. json: objects of time, run_id, job, stage, event, seconds since the start, message."""

    prometheus: str | None = None
    """A local file `*.prom` in the folder that node_exporter's textfile collector reads; replaced when a job ends."""

    shown: int = Field(20, ge=1)
    """How many of the newest runs the job `runs` shows."""

    @field_validator("prometheus")
    @classmethod
    def _is_collected(cls, path: str | None) -> str | None:
        if path is not None and not path.endswith(".prom"):
            raise ValueError("a path that ends in .prom, as node_exporter reads no other")
        return path
