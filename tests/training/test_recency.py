"""A rating's weight halves with every half-life, and is what fits, folds and digests go by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from recsys_spark.ingest.days import days_of
from recsys_spark.kernels.digests import history_digests
from recsys_spark.kernels.folding import rating_vectors
from recsys_spark.models.dot import Dot
from recsys_spark.models.ials import Ials
from recsys_spark.models.joint import Joint
from recsys_spark.models.model import Model
from recsys_spark.models.settings import DotSettings, IalsSettings, JointSettings
from recsys_spark.models.sides import Sides
from recsys_spark.training.feed import EpochOrder, dataset
from recsys_spark.training.fit import Trainer
from recsys_spark.training.fitted import Fitted
from recsys_spark.training.likes import likes_of
from recsys_spark.training.recency import LEAST, Recency
from recsys_spark.training.rows import TrainingRows, gathered
from recsys_spark.training.settings import TrainingSettings

N_USERS, N_ITEMS = 30, 20


def rows_with(day: list[float] | np.ndarray, rating: np.ndarray | None = None) -> TrainingRows:
    """Each user in turn, each with other items."""
    n = len(day)
    user = np.sort(np.arange(n) % N_USERS).astype(np.int32)
    item = ((np.arange(n) * 7 + user) % N_ITEMS).astype(np.int32)
    ratings = np.ones(n, np.float32) if rating is None else rating.astype(np.float32)
    return TrainingRows(user, item, ratings, np.zeros(n, np.uint8), day=np.array(day, np.float32))


def test_weights_halve_and_a_rating_without_a_time_is_as_old_as_the_oldest() -> None:
    recency = Recency.of(rows_with([100, 90, 70, np.nan]), 10)
    assert recency is not None
    np.testing.assert_allclose(recency.weights(np.array([100, 90, 70, np.nan], np.float32)), [1, 1 / 2, 1 / 8, 1 / 8])
    assert recency.mean == pytest.approx((1 + 1 / 2 + 1 / 8 + 1 / 8) / 4)
    np.testing.assert_allclose(recency.relative(np.array([100], np.float32)), 1 / recency.mean)
    # later ones count no more than the newest, and none counts nothing
    np.testing.assert_allclose(recency.weights(np.array([200, -1e6], np.float32)), [1, LEAST])
    assert Recency.of_dict(recency.as_dict(), 10) == recency
    assert Recency.of(rows_with([1]), None) is None


def test_where_no_time_is_known_all_count_the_same() -> None:
    recency = Recency.of(rows_with([np.nan, np.nan]), 10)
    assert recency is not None
    np.testing.assert_array_equal(recency.relative(np.array([np.nan, np.nan], np.float32)), [1, 1])


def test_days_are_those_of_timestamps_whatever_their_unit() -> None:
    micros = [0, 86_400_000_000, None, 20_000 * 86_400_000_000 + 43_200_000_000]
    for unit in ("us", "ns"):
        column = pa.array(micros, pa.timestamp("us", tz="UTC")).cast(pa.timestamp(unit, tz="UTC"))
        np.testing.assert_allclose(days_of(column), [0, 1, np.nan, 20_000.5], atol=2e-3)


@pytest.mark.parametrize("on_disk", [False, True])
def test_batches_carry_the_weight_of_each_row(tmp_path: Path, on_disk: bool) -> None:
    rows = rows_with(np.arange(100, dtype=np.float32))
    if on_disk:
        rows = gathered(rows.chunks(30), len(rows), scratch=tmp_path, days=True)
    recency = Recency.of(rows, 25)
    assert recency is not None
    found = {}
    for pair, target, weight in dataset(
        rows, lambda r: r, batch_size=16, order=EpochOrder(1), to_weight=recency.relative
    ).as_numpy_iterator():
        assert target.shape == (len(weight), 1)
        found |= dict(zip(zip(pair["user"].tolist(), pair["item"].tolist(), strict=True), weight, strict=True))
    expected = recency.relative(np.arange(100, dtype=np.float32))
    pairs = zip(rows.user.tolist(), rows.item.tolist(), strict=True)
    assert found == dict(zip(pairs, expected, strict=True))
    assert np.mean(list(found.values())) == pytest.approx(1, rel=1e-6)


def test_a_like_counts_its_event_and_its_age() -> None:
    rows = rows_with([10, 0, 10], np.array([3, 3, 1]))
    recency = Recency.of(rows, 10)
    likes = likes_of(rows, at=0, n_users=N_USERS, n_items=N_ITEMS, weighted=True, recency=recency)
    np.testing.assert_allclose(likes.weights, [3, 1.5, 1])


def two_eras() -> TrainingRows:
    """What was rated 1 long ago is rated 5 now, and the other way round."""
    user, item = np.divmod(np.arange(N_USERS * N_ITEMS), N_ITEMS)
    old = np.where(item % 2, 5, 1)
    both = (np.concatenate([c, c]) for c in (user, item))
    rating, day = np.concatenate([old, 6 - old]), np.repeat([0, 1000], len(user))
    users, items = both
    order = np.lexsort((day, items, users))
    some = np.zeros(len(order), np.uint8)
    return TrainingRows(
        users[order].astype(np.int32),
        items[order].astype(np.int32),
        rating[order].astype(np.float32),
        some,
        day=day[order].astype(np.float32),
    )


def fitted(model: Model, rows: TrainingRows, **settings: object) -> Fitted:
    training = TrainingSettings(epochs=30, learning_rate=0.05, early_stopping=None, **settings)  # type: ignore[arg-type]
    return Trainer(model, training, lambda _: Sides(N_USERS, N_ITEMS)).fit("evaluated", rows, epochs=30)


@pytest.mark.parametrize("half_life", [None, 50.0])
def test_a_fit_to_ratings_goes_by_the_newer_ones(half_life: float | None) -> None:
    rows = two_eras()
    scorer = fitted(Dot(DotSettings(embedding_size=4)), rows, batch_size=64, half_life_days=half_life).scorers()["main"]
    users, items = np.arange(N_USERS, dtype=np.int32), np.zeros(N_USERS, np.int32)
    even, odd = scorer.score(users, items).mean(), scorer.score(users, items + 1).mean()
    if half_life is None:
        assert abs(even - odd) < 0.5
    else:
        assert even > 4.5
        assert odd < 1.5


@pytest.mark.parametrize("model", [Ials(IalsSettings(embedding_size=4)), Joint(JointSettings(embedding_size=4))])
def test_a_fit_to_likes_goes_by_the_newer_ones(model: Model) -> None:
    ranking = {"objective": "ranking", "relevant_at": 4, "batch_size": 8}
    scorers = fitted(model, two_eras(), half_life_days=50.0, **ranking).scorers()
    users, items = np.arange(N_USERS, dtype=np.int32), np.zeros(N_USERS, np.int32)
    for name in scorers:
        assert (scorers[name].score(users, items) > scorers[name].score(users, items + 1) + 0.3).all(), name


def test_a_weighted_rating_is_that_many_ratings() -> None:
    table = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    items, residuals = np.array([0, 2, 4], np.int32), np.array([1, -1, 0.5], np.float32)
    once = rating_vectors(
        table, np.array([0, 3]), items, residuals, l2=0.3, biases=True, weights=np.array([2, 1, 1], np.float32)
    )
    twice = rating_vectors(
        table, np.array([0, 4]), items[[0, 0, 1, 2]], residuals[[0, 0, 1, 2]], l2=0.3 * 3 / 4, biases=True
    )
    for one, other in zip(once, twice, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_where_days_matter_another_day_is_another_history() -> None:
    user, item, rating = np.zeros(2, np.int32), np.array([1, 2], np.int32), np.ones(2, np.float32)
    days = [np.array(day, np.float32) for day in ([5, 6], [6, 5], [5, 6])]
    one, other, same = (history_digests(user, item, rating, 1, day)[0] for day in days)
    assert one == same != other
    assert history_digests(user, item, rating, 1)[0] != one
