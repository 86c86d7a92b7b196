"""Which fit is measured on which part, and beside which baselines.

| fit | on | beside |
| --- | --- | --- |
| evaluated: fitted on train + validation | train, test | baselines of train + validation |
| validated: fitted on train alone, where there is a validation part | validation | baselines of train alone |

The evaluated fit has seen the validation part, and so have its baselines: what they achieve there says nothing. Of
users who are held out both know the histories: the model and the simple baselines fold them in, those of
`evaluation.baselines`, which cannot, are fitted to them too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.evaluation.ages import recency_of
from recsys_spark.evaluation.als import fit_als, fit_implicit_als
from recsys_spark.evaluation.baselines import RATING_BASELINES
from recsys_spark.evaluation.groups import Measured
from recsys_spark.evaluation.item_models import check_room, ease, item_knn, liked_rows
from recsys_spark.evaluation.ranking import RankingPlan, mean_rating, rank_pools, rank_users, whole_files
from recsys_spark.evaluation.ranking_figures import RankingFigures
from recsys_spark.evaluation.rating import KNOWN, MAIN, RATING, VALIDATED, Metric, rating_errors
from recsys_spark.evaluation.segments import rating_bins
from recsys_spark.evaluation.settings import EvaluationSettings
from recsys_spark.kernels.diversity import Diversity
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.scoring.caps import item_bounds, most_lists
from recsys_spark.scoring.settings import DiversitySettings, ScoringSettings
from recsys_spark.side_by_side import side_by_side
from recsys_spark.staged import read_staged
from recsys_spark.storage import Folder

Objective = Literal["rating", "ranking"]
"""What the scores of a model answer."""

_POPULARITY = "popularity"

_KNOWN_AT_VALIDATION = ("train", "validation_history")
_KNOWN_AT_TEST = ("train", "validation", "validation_history", "test_history")
"""Parts that a fit and its baselines know, if only as histories, when they are measured."""


@dataclass(frozen=True, eq=False)
class MeasuredFit:
    """A fit, the baselines of the same rows, and where their figures are honest.

    Args:
        scorers: `main` and the baselines, by name.
        popularity: how many of the rows each user and item has; none where that is not stored.
        rating: predicts ratings where `main` does not; none: it does, or nothing does.
        known: of a model for ranking, the users and items that it knows; none: those with a rating.
        parts: to measure on.
        held_out: the part whose users are ranked.
        fitted: the parts that the fit has seen, or as histories has folded users in from.
    """

    scorers: Mapping[str, PairScorer]
    popularity: PairScorer | None
    rating: PairScorer | None
    known: PairScorer | None
    parts: tuple[str, ...]
    held_out: str
    fitted: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a run is measured on.

    Args:
        ratings: `user_index`, `item_index`, `rating`, `part`, as stored: a file has all rows of its users, in order.
        users: `user_index`, `attributes`, for `evaluation.segments`.
        scratch: an empty folder for what is read several times; the caller removes it.
    """

    ratings: DataFrame
    users: DataFrame
    scratch: Folder


def measure(
    evidence: Evidence,
    stored: Mapping[str, PairScorer],
    settings: EvaluationSettings,
    objective: Objective = "rating",
    lists: ScoringSettings | None = None,
) -> Measured:
    """Every figure of a run, the model beside its baselines: rating errors, and how well it ranks.

    Args:
        evidence: what it is measured on.
        stored: the scorers of the role `evaluated`.
        settings: of the evaluation.
        lists: what is published; with `diversity` the model's lists are measured as they are published, too, as
            `diversified`. None: the best candidates.
        objective: of the model. One for ranking has rating errors only if it predicts ratings, too.

    Returns:
        As `rating_errors` and `RankingFigures.all`. The baselines that were asked for are fitted on train + validation
        only, so they have no figures on validation.
    """
    evaluated, *others = fits_of(stored)
    if "als" in settings.baselines:
        scorers = {**evaluated.scorers, "als": _als(evidence.ratings, evaluated.scorers, settings)}
        evaluated = replace(evaluated, scorers=scorers)
    fits = (evaluated, *others)
    rated = [replace(fit, scorers=_predicting_ratings(fit)) for fit in fits] if objective == "ranking" else fits
    errors = _rating_errors(evidence.ratings, rated, settings)
    there = {metric.split for metric in errors}
    # one after the other: which files a task gets is a setting of the session
    ranking = [_ranking(evidence, fit, settings, lists) for fit in fits if settings.k and fit.held_out in there]
    metrics = [*errors, *(metric for measured in ranking for metric in measured.metrics)]
    return Measured(metrics, [groups for measured in ranking for groups in measured.groups])


def _predicting_ratings(fit: MeasuredFit) -> dict[str, PairScorer]:
    """The scorers whose scores are ratings; under the model's name what it predicts besides, if it does."""
    others = {name: scorer for name, scorer in fit.scorers.items() if name != MAIN}
    return others if fit.rating is None else {MAIN: fit.rating} | others


def _rating_errors(ratings: DataFrame, fits: Sequence[MeasuredFit], settings: EvaluationSettings) -> list[Metric]:
    """Every rating error, the model beside its baselines.

    Where the model clips, the baselines are clipped to the same bounds: figures of one name, `mse` or `mse_unclipped`,
    can be compared whatever the scorer.
    """
    bins = rating_bins(ratings)

    def errors(fit: MeasuredFit) -> list[Metric]:
        return rating_errors(
            ratings.where(F.col("part").isin(*fit.parts)),
            clipped_alike(fit.scorers) if MAIN in fit.scorers else fit.scorers,
            bins=bins,
            popularity=fit.popularity,
            resamples=settings.bootstrap,
            seed=settings.seed,
            half_life=settings.half_life_days,
        )

    found = side_by_side(*(lambda fit=fit: errors(fit) for fit in fits))
    return [metric for metrics in found for metric in metrics]


def _ranking(
    evidence: Evidence, fit: MeasuredFit, settings: EvaluationSettings, lists: ScoringSettings | None
) -> Measured:
    """How well a fit ranks, beside popularity and the baselines asked for: those that predict ratings rank badly."""
    popularity, ratings = fit.popularity, evidence.ratings
    if popularity is None or popularity.item_bias is None or popularity.user_bias is None:
        return Measured([], [])
    relevant_at = settings.relevant_at
    if relevant_at is None:
        relevant_at = mean_rating(ratings, fit.fitted)
    liked = ratings.where(F.col("part").isin(*fit.fitted) & (F.col("rating") >= F.lit(relevant_at).cast("float")))
    beside = _ranking_baselines(liked, fit, settings)
    known = fit.known or popularity
    assert known.user_bias is not None
    assert known.item_bias is not None
    plan = RankingPlan(
        scorers={MAIN: fit.scorers[MAIN], _POPULARITY: popularity, **beside},
        candidates=np.flatnonzero(known.item_bias > 0).astype(np.int32),
        item_counts=popularity.item_bias,
        known_users=known.user_bias > 0,
        relevant_at=relevant_at,
        cutoffs=settings.k,
        negatives=settings.negatives if settings.protocol == "sampled_negatives" else 0,
        seed=settings.seed,
        recency=recency_of(ratings, fit.held_out, settings.half_life_days),
    )
    if lists is not None and lists.diversity is not None:
        plan = _diversified(evidence, fit, plan, lists, lists.diversity)
    place = evidence.scratch / fit.held_out
    with whole_files(ratings.sparkSession):
        rows = rank_users(ratings, plan, held_out=fit.held_out, fitted=fit.fitted)
        rows.write.mode("overwrite").parquet(str(place))
    ranked = read_staged(ratings.sparkSession, place)
    figures = RankingFigures(
        ranked,
        fit.held_out,
        settings.k,
        len(plan.candidates),
        resamples=settings.bootstrap,
        sampled=plan.negatives > 0,
        diverse=plan.diversity is not None,
        recent=plan.recency is not None,
        seed=settings.seed,
    )
    found, groups = figures.all()
    for name in settings.segments:
        found += figures.by_column(evidence.users, name, F.col("attributes")[name])
    return Measured([metric._replace(relevant_at=relevant_at) for metric in found], groups)


def _diversified(
    evidence: Evidence, fit: MeasuredFit, plan: RankingPlan, lists: ScoringSettings, wanted: DiversitySettings
) -> RankingPlan:
    """The plan with what chooses lists as they are published.

    The driver collects two rows for each item and round of `item_bounds`.
    """
    # 1: by score alone, with the vectors that likeness is measured by
    diversity = Diversity.of(fit.scorers[MAIN], pool=wanted.pool, relevance=wanted.relevance or 1.0)
    plan = replace(plan, diversity=diversity, top_n=lists.top_n)
    if wanted.max_share is None:
        return plan
    spark, place = evidence.ratings.sparkSession, evidence.scratch / f"{fit.held_out}_pools"
    with whole_files(spark):
        rows = rank_pools(evidence.ratings, plan, held_out=fit.held_out, fitted=fit.fitted)
        rows.write.mode("overwrite").parquet(str(place))
    pools = read_staged(spark, place)
    most = most_lists(wanted, pools.count())
    return replace(plan, bounds=item_bounds(pools, n_items=len(plan.item_counts), n=lists.top_n, most_lists=most))


def _ranking_baselines(liked: DataFrame, fit: MeasuredFit, settings: EvaluationSettings) -> dict[str, PairScorer]:
    """The baselines that were asked for, fitted to what users liked; like `als`, beside the evaluated model alone.

    For `ease` and `item_knn` the driver collects the liked pairs, 8 bytes each, after it is known that there is room.
    """
    sizes = {"n_users": fit.scorers[MAIN].n_users, "n_items": fit.scorers[MAIN].n_items}
    found: dict[str, PairScorer] = {}
    for name in settings.baselines if fit.held_out == "test" else ():
        if name == "als":
            found[name] = fit.scorers[name]
        elif name == "als_implicit":
            found[name] = fit_implicit_als(liked, settings.als_implicit, seed=settings.seed, **sizes)
        else:
            check_room(baseline=name, **sizes)
            rows = liked_rows(liked.select("user_index", "item_index").toArrow(), baseline=name, **sizes)
            found[name] = ease(rows, settings.ease) if name == "ease" else item_knn(rows, settings.item_knn)
    return found


def fits_of(stored: Mapping[str, PairScorer]) -> tuple[MeasuredFit, ...]:
    """The fits to measure, the evaluated one first.

    Args:
        stored: the scorers of the role `evaluated`: `main` with its baselines and, where there is a validation part,
            `validated` with its own, `validated_mean` and so on.
    """
    names = (MAIN, *RATING_BASELINES)
    of_evaluated = {name: stored[name] for name in names if name in stored}
    if VALIDATED not in stored:
        parts = ("train", "validation", "test")
        return (MeasuredFit(of_evaluated, *_beside(stored), parts, "test", _KNOWN_AT_TEST),)
    of_validated = {MAIN: stored[VALIDATED]}
    for name in RATING_BASELINES:
        if (baseline := stored.get(validated(name))) is not None:
            of_validated[name] = baseline
    return (
        MeasuredFit(of_evaluated, *_beside(stored), ("train", "test"), "test", _KNOWN_AT_TEST),
        MeasuredFit(of_validated, *_beside(stored, validated), ("validation",), "validation", _KNOWN_AT_VALIDATION),
    )


def _beside(
    stored: Mapping[str, PairScorer], named: Callable[[str], str] = str
) -> tuple[PairScorer | None, PairScorer | None, PairScorer | None]:
    """Popularity, predicted ratings, known users and items, where they are stored."""
    return stored.get(named(_POPULARITY)), stored.get(named(RATING)), stored.get(named(KNOWN))


def validated(baseline: str) -> str:
    """The name under which a baseline of the train part alone is stored."""
    return f"{VALIDATED}_{baseline}"


def clipped_alike(scorers: Mapping[str, PairScorer]) -> dict[str, PairScorer]:
    """The scorers, each with the bounds of `main`."""
    return {name: replace(scorer, clip=scorers[MAIN].clip) for name, scorer in scorers.items()}


def _als(ratings: DataFrame, beside: Mapping[str, PairScorer], settings: EvaluationSettings) -> PairScorer:
    main = beside[MAIN]
    return fit_als(
        ratings.where(F.col("part").isin(*_KNOWN_AT_TEST)),
        settings.als,
        n_users=main.n_users,
        n_items=main.n_items,
        mean=beside["mean"].offset,
        seed=settings.seed,
    )
