"""What every model promises. A model's test class sets `settings` and inherits `ModelContract`.

The ratings are a checkerboard of likes: even users like even items, odd users like odd items. A quarter of its fields,
scattered over it, is held out, so a model that only remembers does not pass, nor does one that mixes up indices.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from recsys_spark import artifact
from recsys_spark.errors import DataError
from recsys_spark.kernels.arrays import F32, I32, Flags
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.manifest import Description
from recsys_spark.models.registry import model_for
from recsys_spark.models.settings import ModelSettings
from recsys_spark.models.sides import Sides
from recsys_spark.models.warm import Weights, weights_of
from recsys_spark.network_file import check_network
from recsys_spark.training.feed import TrainingRows
from recsys_spark.training.fit import Trainer
from recsys_spark.training.fitted import Fitted
from recsys_spark.training.settings import TrainingSettings

N_USERS, N_ITEMS = 30, 41

USERS, ITEMS = (np.ravel(index).astype(np.int32) for index in np.mgrid[:N_USERS, :N_ITEMS])
LIKED: Flags = USERS % 2 == ITEMS % 2
RATINGS: F32 = np.where(LIKED, 5, 1).astype(np.float32)
HELD_OUT: Flags = np.random.default_rng(1).random(len(USERS)) < 0.25


def rows_where(chosen: Flags) -> TrainingRows:
    """Some fields of the checkerboard, all in the part train."""
    return TrainingRows(USERS[chosen], ITEMS[chosen], RATINGS[chosen], np.zeros(int(chosen.sum()), np.uint8))


class ModelContract:
    """The suite."""

    settings: ClassVar[ModelSettings]
    targets: ClassVar[tuple[str, ...]] = ("none", "centred", "standardised")
    training: ClassVar[dict[str, Any]] = {"epochs": 15, "batch_size": 64, "learning_rate": 0.03}
    shortest: ClassVar[dict[str, Any]] = {"epochs": 1, "learning_rate": 1e-6, "warm_shrink": 1}
    """A fit that changes hardly anything, for a warm start to show what it knew."""

    def network_scores(self, fitted: Fitted, users: I32, items: I32) -> dict[str, F32]:
        """What Keras predicts, in rating units, for each named scorer; a model with more than one overrides this."""
        output = fitted.network.predict({"user": users, "item": items}, verbose=0).astype(np.float64)
        levels = fitted.model.levels
        head = output[:, 0] if levels is None else output @ np.array(levels)
        return {"main": head * fitted.target.scale + fitted.target.offset}

    @classmethod
    def sides(cls, n_users: int = N_USERS, n_items: int = N_ITEMS) -> Sides:
        """The users and items of a fit; a model with features overrides this."""
        return Sides(n_users, n_items)

    @classmethod
    def fit(cls, sides: Sides | None = None, start: Fitted | None = None, **changed: Any) -> Fitted:
        training = TrainingSettings(**{**cls.training, **changed})
        trainer = Trainer(model_for(cls.settings), training, lambda _: sides or cls.sides())
        first = cls.first_weights(start) if start else None
        return trainer.fit("evaluated", rows_where(~HELD_OUT), epochs=training.epochs, start=first)

    @staticmethod
    def first_weights(start: Fitted) -> Weights:
        """What a warm start is given of an earlier fit."""
        return weights_of(start.network)

    @staticmethod
    def error_on_held_out(scorer: PairScorer) -> float:
        """How wrong a scorer is about the fields that were held out; less is better."""
        return float(np.mean((scorer.score(USERS[HELD_OUT], ITEMS[HELD_OUT]) - RATINGS[HELD_OUT]) ** 2))

    @pytest.fixture(scope="class")
    @classmethod
    def by_target(cls) -> dict[str, Fitted]:
        return {target: cls.fit(target=target) for target in cls.targets}

    @pytest.fixture(scope="class", params=["none", "centred", "standardised"])
    @classmethod
    def fitted(cls, request: pytest.FixtureRequest, by_target: dict[str, Fitted]) -> Fitted:
        # a model that learns something else than ratings is fitted once
        return by_target.get(request.param) or by_target[cls.targets[0]]

    @pytest.fixture(scope="class")
    @classmethod
    def barely_fitted(cls) -> Fitted:
        return cls.fit(epochs=cls.shortest["epochs"])

    def test_exported_scores_equal_those_of_keras(self, fitted: Fitted) -> None:
        random = np.random.default_rng(2)
        users = random.integers(0, N_USERS, 500).astype(np.int32)
        items = random.integers(0, N_ITEMS, 500).astype(np.int32)
        expected = self.network_scores(fitted, users, items)
        actual = {name: scorer.score(users, items) for name, scorer in fitted.scorers().items()}
        assert actual.keys() == expected.keys()
        for name, scores in expected.items():
            assert np.std(scores) > 0.1
            np.testing.assert_allclose(actual[name], scores, rtol=1e-5, atol=1e-5 * float(np.std(scores)))

    def test_it_is_right_about_fields_that_were_held_out(self, fitted: Fitted) -> None:
        error_of_the_mean = np.mean((RATINGS[~HELD_OUT].mean() - RATINGS[HELD_OUT]) ** 2)
        assert self.error_on_held_out(fitted.scorers()["main"]) < 0.25 * error_of_the_mean

    def test_what_a_user_likes_comes_first(self, fitted: Fitted) -> None:
        scores = fitted.scorers()["main"].score(USERS, ITEMS).reshape(N_USERS, N_ITEMS)
        liked = LIKED.reshape(N_USERS, N_ITEMS)
        for user in range(N_USERS):
            assert scores[user, liked[user]].min() > scores[user, ~liked[user]].max()

    def test_the_saved_network_opens_in_safe_mode_and_predicts_the_same(
        self, barely_fitted: Fitted, tmp_path: Path
    ) -> None:
        import keras

        barely_fitted.network.save(tmp_path / "model.keras")
        check_network(tmp_path / "model.keras")
        reopened = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
        pairs = {"user": USERS, "item": ITEMS}
        expected = keras.tree.flatten(barely_fitted.network.predict(pairs, verbose=0))
        found = keras.tree.flatten(reopened.predict(pairs, verbose=0))
        assert len(found) == len(expected)
        for output, known in zip(found, expected, strict=True):
            np.testing.assert_array_equal(output, known)

    def test_the_scorers_come_back_from_an_artefact(self, barely_fitted: Fitted, tmp_path: Path) -> None:
        scorers = barely_fitted.scorers()
        described = Description(self.settings.name)
        loaded = artifact.load(artifact.save(tmp_path, artifact.Artefact(described, {"published": scorers})))
        assert loaded.keys() == scorers.keys()
        for name, scorer in scorers.items():
            np.testing.assert_array_equal(loaded[name].score(USERS, ITEMS), scorer.score(USERS, ITEMS))

    def test_the_same_seed_gives_the_same_weights_to_the_bit(self, barely_fitted: Fitted) -> None:
        assert _weights(self.fit(epochs=self.shortest["epochs"])) == _weights(barely_fitted)

    def test_another_seed_gives_other_weights(self, barely_fitted: Fitted) -> None:
        assert _weights(self.fit(epochs=self.shortest["epochs"], seed=7)) != _weights(barely_fitted)


class WarmModelContract(ModelContract):
    """The suite of models that can start where an earlier fit ended."""

    def test_a_warm_start_with_grown_vocabularies_knows_what_was_known(self, by_target: dict[str, Fitted]) -> None:
        before = by_target["centred"]
        grown = self.sides(N_USERS + 3, N_ITEMS + 2)
        warm, cold = (self.fit(grown, start, **self.shortest) for start in (before, None))
        assert warm.scorers()["main"].n_users == N_USERS + 3
        known, started, fresh = (self.error_on_held_out(f.scorers()["main"]) for f in (before, warm, cold))
        assert started < 1.2 * known + 0.01
        assert fresh > 2 * started

    def test_a_warm_start_from_a_network_of_more_users_is_refused(self) -> None:
        larger = self.fit(self.sides(N_USERS + 1, N_ITEMS), **self.shortest)
        with pytest.raises(DataError, match="warm start, layer user_"):
            self.fit(start=larger, **self.shortest)


def _weights(fitted: Fitted) -> bytes:
    return b"".join(_bytes(scorer) for scorer in fitted.scorers().values())


def _bytes(scorer: PairScorer) -> bytes:
    return b"".join(tensor.tobytes() for tensor in scorer.tensors().values())
