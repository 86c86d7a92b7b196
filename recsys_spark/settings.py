"""All settings of a job, composed of each folder's own."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import model_validator

from recsys_spark.config import Section
from recsys_spark.evaluation.settings import EvaluationSettings
from recsys_spark.ingest.settings import (
    ItemsSource,
    PairsSource,
    QualitySettings,
    RatingsSource,
    SeenFilter,
    SplitSettings,
    UsersSource,
)
from recsys_spark.ingest.table_source import TableSource
from recsys_spark.maintenance.settings import MaintenanceSettings
from recsys_spark.models.settings import (
    BlendSettings,
    DotSettings,
    IalsSettings,
    JointSettings,
    ModelSettings,
    PosteriorMfSettings,
    RankingModelSettings,
    RatingModelSettings,
    SoftmaxSettings,
)
from recsys_spark.publishing.settings import AuditSettings, OutputSettings, RunSettings, ServeSettings
from recsys_spark.report.settings import ReportSettings
from recsys_spark.scoring.settings import ScoringSettings, SimilarItemsSettings
from recsys_spark.training.settings import TrainingSettings
from recsys_spark.tuning.settings import TuneSettings


class Settings(Section):
    """The configuration of one run, section by section."""

    source: RatingsSource = RatingsSource()
    """The ratings."""

    items: ItemsSource = ItemsSource()
    """The items' table, if there is one."""

    users: UsersSource = UsersSource()
    """The users' table, if there is one."""

    quality: QualitySettings = QualitySettings()
    """Which rows are accepted."""

    split: SplitSettings = SplitSettings()
    """Train, validation and test parts."""

    model: ModelSettings = DotSettings()
    """The network."""

    training: TrainingSettings = TrainingSettings()
    """How it is fitted."""

    tune: TuneSettings = TuneSettings()
    """What the job `tune` tries."""

    scoring: ScoringSettings = ScoringSettings()
    """What each user gets."""

    pairs: PairsSource = PairsSource()
    """The pairs that the job `score_pairs` ranks."""

    similar_items: SimilarItemsSettings = SimilarItemsSettings()
    """What the job `similar_items` makes, and whether a night does so as well."""

    evaluation: EvaluationSettings = EvaluationSettings()
    """What is measured."""

    audit: AuditSettings = AuditSettings()
    """What a run must keep to before it is published."""

    output: OutputSettings = OutputSettings()
    """Where the tables go."""

    serve: ServeSettings = ServeSettings()
    """A database that serves the visible lists."""

    report: ReportSettings = ReportSettings()
    """The HTML report."""

    run: RunSettings = RunSettings()
    """How the run behaves."""

    maintenance: MaintenanceSettings = MaintenanceSettings()
    """What the job `maintain` leaves."""

    @property
    def fallback(self) -> Literal["damped_mean", "popularity"]:
        """What orders the items for users without a vector; by default it answers what the model answers."""
        of_objective: Literal["damped_mean", "popularity"]
        of_objective = "popularity" if self.training.objective == "ranking" else "damped_mean"
        return self.scoring.fallback or of_objective

    @property
    def tune_metric(self) -> Literal["mse", "mae", "ndcg"]:
        """What the job `tune` compares trials by."""
        return self.tune.metric or ("ndcg" if self.training.objective == "ranking" else "mse")

    @property
    def audit_metric(self) -> str:
        """What the audit compares models by: `mse`, `mae` or `ndcg@k`."""
        metric = self.audit.metric
        if metric is None:
            ranks, loss = self.training.objective == "ranking", self.training.loss
            metric = "ndcg" if ranks else loss
        return f"ndcg@{min(self.evaluation.k, default=10)}" if metric == "ndcg" else metric

    @property
    def tables_read(self) -> tuple[TableSource, ...]:
        """Every table that a run reads."""
        segments = self.scoring.segments
        optional = (self.scoring.exclude, None if segments is None else segments.table)
        return (self.source, self.items, self.users, *(table for table in optional if table is not None))

    @model_validator(mode="after")
    def _model_answers_the_objective(self) -> Self:
        ranks, objective = isinstance(self.model, RankingModelSettings), self.training.objective
        if ranks != (objective == "ranking"):
            other = RatingModelSettings if ranks else RankingModelSettings
            names = [settings.model_fields["name"].default for settings in get_args(other)]
            raise ValueError(
                f"training.objective {'ranking' if ranks else 'rating'} for model.name {self.model.name} "
                f"(models for {objective}: {', '.join(names)})"
            )
        if self.audit.metric in ("mse", "mae") and ranks and not isinstance(self.model, JointSettings):
            raise ValueError(f"audit.metric ndcg for {self.model.name}, which predicts no ratings")
        if self.tune.metric is not None and (self.tune.metric == "ndcg") != ranks:
            raise ValueError(f"tune.metric {'ndcg' if ranks else 'mse or mae'} for training.objective {objective}")
        columns, weights = self.source.columns, self.training.event_weights
        if columns.rating is None and (not ranks or isinstance(self.model, JointSettings)):
            raise ValueError(f"a column source.columns.rating for model.name {self.model.name}, which predicts ratings")
        if weights is not None and (columns.event is None or columns.rating is not None):
            raise ValueError("source.columns.event, and source.columns.rating null, for training.event_weights")
        if ranks and (self.items.features.names or self.users.features.names):
            raise ValueError(f"no items.features and no users.features for {self.model.name}, which cannot use them")
        if isinstance(self.model, BlendSettings):
            if self.training.early_stopping is not None:
                raise ValueError("training.early_stopping null for a blend, whose parts run all their epochs")
            if self.training.warm_start:
                raise ValueError("training.warm_start false for a blend, which starts cold every night")
        return self

    @model_validator(mode="after")
    def _held_out_users_can_be_folded_in(self) -> Self:
        if self.split.strategy == "held_out_users":
            folds = isinstance(self.model, IalsSettings | JointSettings | SoftmaxSettings | DotSettings)
            if not folds or self.users.features.names:
                raise ValueError(
                    "a model that folds users in (ials, joint, softmax, dot), without users.features, for "
                    f"split.strategy held_out_users; {self.model.name} knows no user whom it was not fitted to"
                    if not folds
                    else "no users.features for split.strategy held_out_users: folding in does not use them"
                )
            if self.training.objective == "rating" and self.split.validation_fraction:
                raise ValueError(
                    "split.validation_fraction 0 for split.strategy held_out_users and training.objective rating: "
                    "epochs are not chosen by users whom the fit does not know"
                )
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if isinstance(self.model, PosteriorMfSettings):
            if self.training.half_life_days is not None:
                raise ValueError("training.half_life_days null for posterior_mf, to which all ratings count the same")
            if self.training.epochs <= self.model.burn_in + 1:
                raise ValueError(f"training.epochs above model.burn_in + 1 = {self.model.burn_in + 1} for posterior_mf")
            if self.training.warm_epochs is not None and self.training.warm_epochs < 3:
                raise ValueError("training.warm_epochs of at least 3 for posterior_mf")
            if self.items.features.names or self.users.features.names:
                raise ValueError("no items.features and no users.features for posterior_mf, which cannot use them")
        return self

    @model_validator(mode="after")
    def _incremental_needs_a_model(self) -> Self:
        if self.scoring.mode == "incremental" and self.training.use_model is None:
            raise ValueError("training.use_model (a model_id, or latest) for scoring.mode incremental")
        return self

    @model_validator(mode="after")
    def _users_have_segments(self) -> Self:
        if self.scoring.segments is not None and self.users.segment is None:
            raise ValueError("users.segment (the column with the segment of each user) for scoring.segments")
        return self

    @model_validator(mode="after")
    def _seen_rows_can_be_told_apart(self) -> Self:
        seen, columns = self.scoring.exclude_seen, self.source.columns
        if isinstance(seen, SeenFilter):
            if seen.within_days is not None and columns.timestamp is None:
                raise ValueError("a column source.columns.timestamp for scoring.exclude_seen.within_days")
            if seen.events is not None and columns.event is None:
                raise ValueError("a column source.columns.event for scoring.exclude_seen.events")
        return self

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        audit = self.audit
        if self.source.columns.timestamp is None:
            asked = {"quality": self.quality.max_source_age is not None, "audit": bool(audit.max_source_age)}
            for section in (section for section, is_asked in asked.items() if is_asked):
                raise ValueError(f"a column source.columns.timestamp for {section}.max_source_age")
            for section in ("training", "evaluation"):
                if getattr(self, section).half_life_days is not None:
                    raise ValueError(f"a column source.columns.timestamp for {section}.half_life_days")
            if self.split.strategy in ("leave_last", "temporal"):
                raise ValueError(f"a column source.columns.timestamp for split.strategy {self.split.strategy}")
        for name in ("max_worse_than_baseline", "max_worse_than_last_run"):
            given = audit.rules[name] != AuditSettings().rules[name]
            if given and audit.rules[name] and not self.split.test_fraction:
                raise ValueError(f"split.test_fraction above 0 for audit.{name}")
        return self
