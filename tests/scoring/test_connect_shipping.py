"""What travels with a function over Spark Connect, and what a worker keeps of it."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

from recsys_spark.scoring.connect_shipping import _Kept, _Shipped
from recsys_spark.scoring.mapped import Pickled

LARGE = np.arange(1 << 20, dtype=np.int32)


def test_a_small_value_travels_with_the_function() -> None:
    arrived = pickle.loads(pickle.dumps(_Shipped("small", LARGE[:10], None)))

    np.testing.assert_array_equal(arrived(), LARGE[:10])


def test_of_a_large_value_only_what_finds_its_file_travels(tmp_path: Path) -> None:
    stored = Pickled.of(LARGE).write(tmp_path / "large")

    shipped = _Shipped("large", LARGE, stored)

    assert len(pickle.dumps(shipped)) < 1_000
    assert shipped() is LARGE, "the driver needs no file"
    np.testing.assert_array_equal(stored.read(tmp_path / "large"), LARGE)


class TestWorker:
    def test_a_value_is_read_once_by_tasks_that_follow_each_other(self) -> None:
        kept, reads = _Kept(), list[int]()

        for task in range(4):
            for _ in range(2):
                kept.get("value", lambda: reads.append(1), task=task)

        assert len(reads) == 1

    def test_a_value_is_dropped_once_a_task_has_not_asked_for_it(self) -> None:
        kept = _Kept()

        kept.get("before", lambda: "first", task=1)
        for task in (2, 3):
            kept.get("now", lambda: "other", task=task)

        assert kept.get("before", lambda: "read again", task=3) == "read again"

    def test_a_task_may_ask_for_several_values(self) -> None:
        kept = _Kept()
        values = {"a": object(), "b": object()}

        for task in (1, 2):
            found = [kept.get(name, lambda name=name: values.pop(name), task=task) for name in ("a", "b")]
            assert len(set(map(id, found))) == 2
        assert not values
