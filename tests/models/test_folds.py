"""A user who is folded in gets what training would have given with the items' vectors as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.models.folds import Histories, fold_of, history_scorer
from recsys_spark.models.joint import RATING
from recsys_spark.models.registry import model_for
from recsys_spark.models.settings import DotSettings, IalsSettings, JointSettings, ModelSettings, SoftmaxSettings
from recsys_spark.models.sides import Sides
from recsys_spark.models.softmax import HISTORY
from recsys_spark.training.fit import Trainer
from recsys_spark.training.fitted import Fitted
from recsys_spark.training.settings import TrainingSettings
from tests.contracts.model import HELD_OUT, ITEMS, LIKED, N_ITEMS, N_USERS, RATINGS, USERS, rows_where

RANKING = {"objective": "ranking", "relevant_at": 4, "early_stopping": None, "batch_size": 8, "learning_rate": 0.03}
NEWCOMERS = np.array([28, 29])
"""Users who are left out of the fit, one of each kind."""

MODELS: dict[str, tuple[ModelSettings, dict[str, Any]]] = {
    "ials": (IalsSettings(embedding_size=4), {**RANKING, "epochs": 60}),
    "joint": (JointSettings(embedding_size=4, rating_size=3, rating_l2=0.01), {**RANKING, "epochs": 60}),
    "softmax": (SoftmaxSettings(embedding_size=4, dropout=0.3), {**RANKING, "epochs": 40}),
    "dot": (DotSettings(embedding_size=4, l2=0.01), {"epochs": 40, "batch_size": 64, "learning_rate": 0.03}),
    "dot without biases": (
        DotSettings(embedding_size=4, l2=0.01, biases=False),
        {"epochs": 40, "batch_size": 64, "learning_rate": 0.03},
    ),
}


@pytest.fixture(scope="module", params=MODELS)
def fitted(request: pytest.FixtureRequest) -> Fitted:
    settings, training = MODELS[request.param]
    trainer = Trainer(model_for(settings), TrainingSettings(**training), lambda _: Sides(N_USERS, N_ITEMS))
    return trainer.fit("evaluated", rows_where(~HELD_OUT & ~np.isin(USERS, NEWCOMERS)), epochs=training["epochs"])


def scorers_of(fitted: Fitted) -> dict[str, PairScorer]:
    """The scorers as an artefact has them."""
    scorers, memory = fitted.scorers(), fitted.memory
    if f"{HISTORY}.0" in memory:
        scorers["history"] = history_scorer(memory[f"{HISTORY}.0"], N_USERS)
    return scorers


def histories_of(users: np.ndarray) -> Histories:
    mine = [np.flatnonzero(~HELD_OUT & (user == USERS)) for user in users]
    offsets = np.concatenate(([0], np.cumsum([len(rows) for rows in mine]))).astype(np.int64)
    rows = np.concatenate(mine)
    return Histories(offsets, ITEMS[rows], RATINGS[rows])


def folded(fitted: Fitted, histories: Histories) -> dict[str, PairScorer]:
    """Scorers of the users of some histories alone."""
    scorers = scorers_of(fitted)
    settings = fitted.model.settings.model_dump(mode="json")  # type: ignore[attr-defined]
    fold = fold_of(settings, scorers, liked_at=None if settings["name"] == "dot" else 4.0)
    assert fold is not None
    return {
        name: PairScorer(
            user=side.user,
            item=scorers[name].item,
            user_bias=side.bias,
            item_bias=scorers[name].item_bias,
            scale=scorers[name].scale,
            offset=scorers[name].offset,
        )
        for name, side in fold.sides(histories).items()
    }


def test_a_newcomer_is_shown_what_such_users_like(fitted: Fitted) -> None:
    main = folded(fitted, histories_of(NEWCOMERS))["main"]
    scores = main.score(np.repeat([0, 1], N_ITEMS).astype(np.int32), np.tile(np.arange(N_ITEMS, dtype=np.int32), 2))
    for user, mine in zip(NEWCOMERS, scores.reshape(2, N_ITEMS), strict=True):
        liked = LIKED[user == USERS]
        assert mine[liked].min() > mine[~liked].max()


def test_a_user_of_the_fit_gets_nearly_the_vector_that_was_trained(fitted: Fitted) -> None:
    known = np.arange(20)
    trained, again = fitted.scorers()["main"], folded(fitted, histories_of(known))["main"]
    users, items = np.repeat(known, N_ITEMS).astype(np.int32), np.tile(np.arange(N_ITEMS, dtype=np.int32), len(known))
    expected, found = trained.score(users, items), again.score(users, items)
    assert np.corrcoef(expected, found)[0, 1] > 0.98


def test_who_has_no_known_item_gets_zeros(fitted: Fitted) -> None:
    nothing = Histories(np.array([0, 0], np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))
    assert not folded(fitted, nothing)["main"].user.any()


def test_joint_folds_predicted_ratings_too() -> None:
    settings, training = MODELS["joint"]
    trainer = Trainer(model_for(settings), TrainingSettings(**training), lambda _: Sides(N_USERS, N_ITEMS))
    model = trainer.fit("evaluated", rows_where(~HELD_OUT & ~np.isin(USERS, NEWCOMERS)), epochs=training["epochs"])
    rating = folded(model, histories_of(NEWCOMERS))[RATING]
    for place, user in enumerate(NEWCOMERS):
        mine = (user == USERS) & HELD_OUT
        predicted = rating.score(np.full(mine.sum(), place, np.int32), ITEMS[mine])
        error = np.mean((predicted - RATINGS[mine]) ** 2)
        assert error < 0.4 * np.mean((RATINGS.mean() - RATINGS[mine]) ** 2)


@pytest.mark.parametrize("name", ["bpr", "blend", "mlp", "posterior_mf", "classifier"])
def test_a_model_without_a_formula_folds_nobody(name: str) -> None:
    scorer = PairScorer(user=np.ones((2, 1), np.float32), item=np.ones((3, 1), np.float32))
    assert fold_of({"name": name}, {"main": scorer}, liked_at=1.0) is None
