"""Which fit is measured on which part, and beside which baselines.

| fit | on | beside |
| --- | --- | --- |
| evaluated: fitted on train + validation | train, test | baselines of train + validation |
| validated: fitted on train alone, where there is a validation part | validation | baselines of train alone |

The evaluated fit has seen the validation part, and so have its baselines: what they achieve there says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_spark.evaluation.als import fit_als
from recsys_spark.evaluation.baselines import RATING_BASELINES
from recsys_spark.evaluation.rating import MAIN, VALIDATED, Metric, rating_errors
from recsys_spark.evaluation.segments import rating_bins
from recsys_spark.evaluation.settings import EvaluationSettings
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.side_by_side import side_by_side

_POPULARITY = "popularity"


@dataclass(frozen=True, eq=False)
class MeasuredFit:
    """A fit, the baselines of the same rows, and where their figures are honest.

    Args:
        scorers: `main` and the baselines, by name.
        popularity: how many of the rows each user and item has; none where that is not stored.
        parts: to measure on.
    """

    scorers: Mapping[str, PairScorer]
    popularity: PairScorer | None
    parts: tuple[str, ...]


def measure(ratings: DataFrame, stored: Mapping[str, PairScorer], settings: EvaluationSettings) -> list[Metric]:
    """Every rating error of a run, the model beside its baselines.

    Where the model clips, the baselines are clipped to the same bounds: figures of one name, `mse` or `mse_unclipped`,
    can be compared whatever the scorer.

    Args:
        ratings: `user_index`, `item_index`, `rating`, `part`.
        stored: the scorers of the role `evaluated`.
        settings: of the evaluation.

    Returns:
        As `rating_errors`. The baseline `als` is fitted on train + validation only, so it has no figures on validation.
    """
    evaluated, *others = fits_of(stored)
    if "als" in settings.baselines:
        scorers = {**evaluated.scorers, "als": _als(ratings, evaluated.scorers, settings)}
        evaluated = replace(evaluated, scorers=scorers)
    bins = rating_bins(ratings)

    def errors(fit: MeasuredFit) -> list[Metric]:
        return rating_errors(
            ratings.where(F.col("part").isin(*fit.parts)),
            clipped_alike(fit.scorers),
            bins=bins,
            popularity=fit.popularity,
            resamples=settings.bootstrap,
            seed=settings.seed,
        )

    found = side_by_side(*(lambda fit=fit: errors(fit) for fit in (evaluated, *others)))
    return [metric for metrics in found for metric in metrics]


def fits_of(stored: Mapping[str, PairScorer]) -> tuple[MeasuredFit, ...]:
    """The fits to measure, the evaluated one first.

    Args:
        stored: the scorers of the role `evaluated`: `main` with its baselines and, where there is a validation part,
            `validated` with its own, `validated_mean` and so on.
    """
    names = (MAIN, *RATING_BASELINES)
    of_evaluated = {name: stored[name] for name in names if name in stored}
    if VALIDATED not in stored:
        return (MeasuredFit(of_evaluated, stored.get(_POPULARITY), ("train", "validation", "test")),)
    of_validated = {MAIN: stored[VALIDATED]}
    for name in RATING_BASELINES:
        if (baseline := stored.get(validated(name))) is not None:
            of_validated[name] = baseline
    return (
        MeasuredFit(of_evaluated, stored.get(_POPULARITY), ("train", "test")),
        MeasuredFit(of_validated, stored.get(validated(_POPULARITY)), ("validation",)),
    )


def validated(baseline: str) -> str:
    """The name under which a baseline of the train part alone is stored."""
    return f"{VALIDATED}_{baseline}"


def clipped_alike(scorers: Mapping[str, PairScorer]) -> dict[str, PairScorer]:
    """The scorers, each with the bounds of `main`."""
    return {name: replace(scorer, clip=scorers[MAIN].clip) for name, scorer in scorers.items()}


def _als(ratings: DataFrame, beside: Mapping[str, PairScorer], settings: EvaluationSettings) -> PairScorer:
    main = beside[MAIN]
    return fit_als(
        ratings.where(F.col("part") != "test"),
        settings.als,
        n_users=main.n_users,
        n_items=main.n_items,
        mean=beside["mean"].offset,
        seed=settings.seed,
    )
