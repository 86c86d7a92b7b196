"""Rows become batches that hold each row once in an epoch, from memory and from disk."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_spark.kernels.arrays import F32, I32
from recsys_spark.models.dot import Dot
from recsys_spark.models.settings import DotSettings
from recsys_spark.models.sides import Sides
from recsys_spark.training import feed
from recsys_spark.training.feed import EpochOrder, TrainingRows, dataset
from recsys_spark.training.rows import gathered

Place = Literal["memory", "disk"]


@pytest.fixture(params=["memory", "disk"])
def place(request: pytest.FixtureRequest) -> Place:
    where: Place = request.param
    return where


def rows_of(n: int, place: Place, scratch: Path) -> TrainingRows:
    """Row number i: user i, item 2i, rating i / 2."""
    number = np.arange(n)
    rows = TrainingRows(
        number.astype(np.int32), (2 * number).astype(np.int32), (number / 2).astype(np.float32), np.zeros(n, np.uint8)
    )
    return rows if place == "memory" else gathered(rows.chunks(), n, scratch=scratch)


def unchanged(ratings: F32) -> F32:
    return ratings


def users_by_batch(batches: Any) -> list[list[int]]:
    return [pairs["user"].numpy().tolist() for pairs, _ in batches]


def users_in_epoch(batches: Any, order: EpochOrder, epoch: int) -> list[list[int]]:
    order.begin(epoch)
    return users_by_batch(batches)


class TestEpoch:
    @settings(max_examples=25, deadline=None)
    @given(
        n=st.integers(1, 60),
        batch_size=st.integers(1, 25),
        block_rows=st.integers(1, 40),
        shard_rows=st.none() | st.integers(1, 20),
        rows_in_a_piece=st.integers(1, 30),
        seed=st.none() | st.integers(-(2**70), 2**70),
        place=st.sampled_from(["memory", "disk"]),
    )
    def test_each_row_comes_once_in_batches_that_are_full_but_for_the_last(
        self,
        n: int,
        batch_size: int,
        block_rows: int,
        shard_rows: int | None,
        rows_in_a_piece: int,
        seed: int | None,
        place: Place,
    ) -> None:
        with tempfile.TemporaryDirectory() as scratch, pytest.MonkeyPatch.context() as patch:
            patch.setattr(feed, "_ROWS_IN_A_PIECE", rows_in_a_piece)
            order = None if seed is None else EpochOrder(seed)
            batches = dataset(
                rows_of(n, place, Path(scratch)),
                unchanged,
                batch_size=batch_size,
                order=order,
                block_rows=block_rows,
                shard_rows=shard_rows,
            )
            for number in range(2):
                epoch = users_in_epoch(batches, order, number) if order else users_by_batch(batches)
                assert [len(batch) for batch in epoch[:-1]] == [batch_size] * (len(epoch) - 1)
                assert sorted(user for batch in epoch for user in batch) == list(range(n))
            assert int(batches.cardinality()) == len(epoch)

    def test_columns_stay_together(self, place: Place, tmp_path: Path) -> None:
        rows = rows_of(10, place, tmp_path)
        for pairs, target in dataset(rows, unchanged, batch_size=4, order=EpochOrder(1), block_rows=6):
            assert (pairs["user"].dtype, pairs["item"].dtype, target.dtype) == ("int32", "int32", "float32")
            np.testing.assert_array_equal(pairs["item"], 2 * pairs["user"])
            np.testing.assert_array_equal(target, pairs["user"].numpy()[:, None] / 2)

    def test_without_an_order_the_rows_keep_their_order(self, place: Place, tmp_path: Path) -> None:
        batches = dataset(rows_of(10, place, tmp_path), unchanged, batch_size=4, block_rows=3)
        assert users_by_batch(batches) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]

    def test_a_batch_may_hold_all_rows(self, place: Place, tmp_path: Path) -> None:
        batches = dataset(rows_of(10, place, tmp_path), unchanged, batch_size=10, order=EpochOrder(1), block_rows=3)
        assert [sorted(batch) for batch in users_by_batch(batches)] == [list(range(10))]


class TestTargets:
    def test_classes_are_int32(self, place: Place, tmp_path: Path) -> None:
        def level(ratings: F32) -> I32:
            return np.floor(ratings).astype(np.int32)

        for pairs, target in dataset(
            rows_of(10, place, tmp_path), level, batch_size=4, order=EpochOrder(1), block_rows=3
        ):
            assert target.dtype == "int32"
            np.testing.assert_array_equal(target, pairs["user"].numpy()[:, None] // 2)

    def test_another_type_is_refused(self, place: Place, tmp_path: Path) -> None:
        def wide(ratings: F32) -> npt.NDArray[np.float64]:
            return ratings.astype(np.float64)

        with pytest.raises(TypeError, match="float32 or int32, not float64"):
            dataset(rows_of(10, place, tmp_path), wide, batch_size=4)


class TestOrder:
    def test_it_depends_on_the_seed_and_the_epoch(self, place: Place, tmp_path: Path) -> None:
        def epochs(*numbers: int, seed: int = 1) -> list[list[list[int]]]:
            rows, order = rows_of(50, place, tmp_path), EpochOrder(seed)
            batches = dataset(rows, unchanged, batch_size=16, order=order, block_rows=20, shard_rows=7)
            return [users_in_epoch(batches, order, number) for number in numbers]

        first, second, third = epochs(0, 1, 2)
        assert first != second != third != first
        assert epochs(0, 1, 2) == [first, second, third]
        assert epochs(2, 2, 0) == [third, third, first], "whatever came before"
        assert epochs(0, seed=2) != [first]

    def test_rows_that_lie_together_come_far_apart(self, place: Place, tmp_path: Path) -> None:
        rows = rows_of(20_000, place, tmp_path)
        order = EpochOrder(1)
        batches = dataset(rows, unchanged, batch_size=500, order=order, block_rows=2_000)
        for epoch in range(2):
            rows_by_batch = [np.array(batch) // 100 for batch in users_in_epoch(batches, order, epoch)]
            batches_with = np.mean([sum(hundred in batch for batch in rows_by_batch) for hundred in range(200)])
            assert abs(batches_with - 40 * (1 - (39 / 40) ** 100)) < 1, "of 40, for 100 rows in a row"

    def test_where_a_row_came_says_nothing_of_where_it_comes_next(self, place: Place, tmp_path: Path) -> None:
        rows = rows_of(20_000, place, tmp_path)
        order = EpochOrder(1)
        batches = dataset(rows, unchanged, batch_size=500, order=order, block_rows=20_000)
        orders = [np.concatenate(users_in_epoch(batches, order, epoch)) for epoch in range(3)]
        positions = np.stack([np.arange(20_000), *(np.argsort(users) for users in orders)])
        correlations = np.corrcoef(positions)[np.triu_indices(4, 1)]
        assert np.abs(correlations).max() < 0.05, "seven standard errors"

    def test_shards_come_in_another_order_and_are_shuffled_with_other_shards_in_another_epoch(
        self, tmp_path: Path
    ) -> None:
        rows = rows_of(1_000, "disk", tmp_path)
        order = EpochOrder(1)
        batches = dataset(rows, unchanged, batch_size=10, order=order, block_rows=200, shard_rows=50)
        first, second = (np.concatenate(users_in_epoch(batches, order, epoch)) for epoch in range(2))
        where = np.empty(1_000, int)
        where[second] = np.arange(1_000) // 200
        blocks = [set(where[first[start : start + 200]]) for start in range(0, 1_000, 200)]
        assert max(len(found) for found in blocks) >= 3, "the four shards of a block part"
        assert np.corrcoef(np.argsort(first), np.argsort(second))[0, 1] < 0.6


class TestFiles:
    def test_they_go_with_the_dataset_and_with_what_is_derived_from_it(self, tmp_path: Path) -> None:
        rows = rows_of(10, "disk", tmp_path)
        before = set(tmp_path.rglob("*"))
        derived = dataset(rows, unchanged, batch_size=4, order=EpochOrder(1)).map(lambda pairs, _: pairs["user"])
        assert set(tmp_path.rglob("*")) > before
        assert sorted(np.concatenate(list(derived.as_numpy_iterator())).tolist()) == list(range(10))
        del derived
        assert set(tmp_path.rglob("*")) == before

    def test_a_loop_over_a_dataset_without_a_name_reads_it_to_the_end(self, tmp_path: Path) -> None:
        rows = rows_of(100, "disk", tmp_path)
        seen: list[int] = []
        for pairs, _ in dataset(rows, unchanged, batch_size=4, block_rows=5):
            seen.extend(pairs["user"].numpy().tolist())
        assert seen == list(range(100))

    def test_they_go_after_a_fit_by_keras(self, tmp_path: Path) -> None:
        rows = rows_of(30, "disk", tmp_path)
        before = set(tmp_path.rglob("*"))
        network = Dot(DotSettings(embedding_size=1)).build(Sides(n_users=30, n_items=60))
        network.compile(optimizer="sgd", loss="mse", steps_per_execution=4)
        network.fit(dataset(rows, unchanged, batch_size=5, order=EpochOrder(1)), epochs=2, shuffle=False, verbose=0)
        assert set(tmp_path.rglob("*")) == before


class TestKeras:
    def test_it_takes_each_row_once_in_an_epoch_with_several_steps_in_a_call(
        self, place: Place, tmp_path: Path
    ) -> None:
        import tensorflow as tf

        seen: list[int] = []

        def note(users: Any) -> Any:
            seen.extend(users.numpy().tolist())
            return users

        def noted(pairs: Any, target: Any) -> Any:
            users = tf.ensure_shape(tf.py_function(note, [pairs["user"]], tf.int32), [None])
            return {"user": users, "item": pairs["item"]}, target

        network = Dot(DotSettings(embedding_size=1)).build(Sides(n_users=30, n_items=60))
        network.compile(optimizer="sgd", loss="mse", steps_per_execution=4)
        rows = rows_of(30, place, tmp_path)
        batches = dataset(rows, unchanged, batch_size=5, order=EpochOrder(1), block_rows=7).map(noted)
        network.fit(batches, epochs=3, shuffle=False, verbose=0)
        assert [sorted(seen[start : start + 30]) for start in (0, 30, 60)] == [list(range(30))] * 3
        assert len(seen) == 90

    def test_a_fit_by_blocks_is_as_good_as_one_from_memory(self, tmp_path: Path) -> None:
        train, test = low_rank_rows(60_000, seed=1), low_rank_rows(10_000, seed=2)
        on_disk = gathered(train.chunks(), len(train), scratch=tmp_path)
        noise, mean_alone = 0.25, float(np.var(test.rating))
        from_memory = [error_of_fit(train, test, seed=seed) for seed in (1, 2, 3)]
        by_blocks = [error_of_fit(on_disk, test, seed=seed) for seed in (1, 2, 3)]
        assert max(from_memory) < noise + (mean_alone - noise) / 4, "it has learned something"
        assert abs(np.mean(by_blocks) - np.mean(from_memory)) < 0.003, "three standard errors of the seeds"


def low_rank_rows(n: int, *, seed: int) -> TrainingRows:
    """Ratings of 200 users and 100 items, sorted by user: a bias of each, a product of vectors, noise of 0.5."""
    truth, random = np.random.default_rng(0), np.random.default_rng(seed)
    user_bias, item_bias = truth.normal(0, 0.5, 200), truth.normal(0, 0.5, 100)
    factors = truth.normal(0, 0.7, (200, 2)) @ truth.normal(0, 0.7, (2, 100))
    user, item = np.sort(random.integers(0, 200, n)), random.integers(0, 100, n)
    rating = user_bias[user] + item_bias[item] + factors[user, item] + random.normal(0, 0.5, n)
    return TrainingRows(user.astype(np.int32), item.astype(np.int32), rating.astype(np.float32), np.zeros(n, np.uint8))


def error_of_fit(train: TrainingRows, test: TrainingRows, *, seed: int) -> float:
    import keras

    keras.utils.set_random_seed(seed)
    network = Dot(DotSettings(embedding_size=4)).build(Sides(n_users=200, n_items=100))
    network.compile(optimizer=keras.optimizers.Adam(0.02), loss="mse", steps_per_execution=32)
    order = EpochOrder(seed)
    batches = dataset(train, unchanged, batch_size=500, order=order, block_rows=9_000, shard_rows=500)
    begin = keras.callbacks.LambdaCallback(on_epoch_begin=order.begin)
    network.fit(batches, epochs=4, shuffle=False, verbose=0, callbacks=[begin])
    predicted = network.predict({"user": test.user, "item": test.item}, batch_size=5_000, verbose=0)[:, 0]
    return float(np.mean((predicted - test.rating) ** 2))
