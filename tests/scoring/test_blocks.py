"""Tasks get whole blocks, as many as take a few seconds, however long the seen lists are."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recsys_spark.kernels.scorer import DenseLayer, PairScorer
from recsys_spark.scoring.blocks import blocks_in_a_task, files_in_a_task, nanoseconds_per_pair

FILES = 10
KEYS = [f"spark.sql.files.{name}" for name in ("openCostInBytes", "maxPartitionBytes", "minPartitionNum")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten files, of which one has far more bytes than all others together."""
    folder = tmp_path_factory.mktemp("blocks")
    for number in range(FILES):
        length = 200_000 if number == 4 else 3
        seen = np.random.default_rng(number).integers(0, 1 << 30, length, np.int32)
        pq.write_table(pa.table({"block": [number], "seen": [seen]}), folder / f"part-{number}.parquet")
    return folder


@pytest.mark.parametrize(("files", "expected"), [(1, [1] * 10), (3, [3, 3, 3, 1]), (5, [5, 5]), (10, [10]), (99, [10])])
def test_tasks_get_the_same_number_of_files_whatever_their_sizes(
    spark: SparkSession, folder: Path, files: int, expected: list[int]
) -> None:
    with files_in_a_task(spark, files):
        rows = spark.read.parquet(str(folder)).select("block", F.spark_partition_id().alias("task")).collect()

    assert sorted(row["block"] for row in rows) == list(range(FILES))
    assert sorted(Counter(row["task"] for row in rows).values(), reverse=True) == expected


def fail_within(spark: SparkSession) -> None:
    with files_in_a_task(spark, 2):
        assert spark.conf.get(KEYS[2]) == "1"
        raise ZeroDivisionError


def test_other_reads_are_as_before_even_after_a_failure(spark: SparkSession) -> None:
    before = [spark.conf.get(key, None) for key in KEYS]

    with pytest.raises(ZeroDivisionError):
        fail_within(spark)

    assert [spark.conf.get(key, None) for key in KEYS] == before


def test_what_the_session_had_set_itself_is_set_again(spark: SparkSession) -> None:
    spark.conf.set(KEYS[1], "64m")
    try:
        with files_in_a_task(spark, 2):
            pass
        assert spark.conf.get(KEYS[1]) == "64m"
    finally:
        spark.conf.unset(KEYS[1])


@pytest.mark.parametrize(
    ("seconds", "blocks", "cores", "expected"),
    [
        (0.3, 40, 2, 40),  # less than a task is worth: one task
        (1.0, 40, 2, 20),  # half a second for each core
        (1.0, 40, 16, 20),  # and no more tasks than that
        (60.0, 40, 2, 2),  # 20 tasks of three seconds
        (7.0, 40, 2, 10),  # 3 tasks would leave a core idle: 4
        (9000.0, 40, 2, 1),  # never less than a block
        (5.0, 0, 2, 1),  # nobody
    ],
)
def test_tasks_take_about_three_seconds_and_end_together(
    seconds: float, blocks: int, cores: int, expected: int
) -> None:
    assert blocks_in_a_task(seconds, blocks=blocks, cores=cores) == expected


def scorer(*hidden: int, columns: int = 32) -> PairScorer:
    widths = (2 * columns, *hidden, 1)
    layers = [
        DenseLayer(np.zeros(shape, np.float32), np.zeros(shape[1], np.float32), "relu")
        for shape in itertools.pairwise(widths)
    ]
    vectors = np.zeros((3, columns), np.float32)
    return PairScorer(vectors, vectors, layers=tuple(layers) if hidden else ())


def test_a_pair_is_dearer_the_more_arithmetic_it_takes() -> None:
    models = [scorer(), scorer(columns=64), scorer(64), scorer(1024), scorer(128, 64), scorer(256, 128)]

    plain = [nanoseconds_per_pair(model, screened=False) for model in models]
    screened = [nanoseconds_per_pair(model, screened=True) for model in models[:4]]

    assert plain == sorted(set(plain))
    assert all(bounded < every for bounded, every in zip(screened[1:], plain[1:], strict=False))
    assert nanoseconds_per_pair(models[5], screened=False) == pytest.approx(0.5 + (256 + 256 * 128 + 128) / 15)
