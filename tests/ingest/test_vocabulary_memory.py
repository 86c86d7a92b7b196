"""What a vocabulary costs the driver grows with the number of files, not of ids."""

from __future__ import annotations

from pathlib import Path

from py4j.java_gateway import JavaObject
from pyspark.sql import SparkSession

from recsys_spark.ingest.encoding import Vocabulary, extend
from recsys_spark.storage import Folder

IDS = 300_000


def bytes_to_driver(spark: SparkSession, since: set[int]) -> dict[int, int]:
    """Result size of every stage that is not in `since`, as Spark has counted it."""
    store: JavaObject = spark.sparkContext._jsc.sc().statusStore()
    stages = store.stageList(None, False, False, spark.sparkContext._gateway.new_array(spark._jvm.double, 0), None)
    found = {}
    for i in range(stages.size()):
        stage = stages.apply(i)
        if stage.stageId() not in since:
            found[stage.stageId()] = stage.resultSize()
    return found


def test_the_driver_receives_a_row_for_each_file_and_nothing_for_each_id(spark: SparkSession, tmp_path: Path) -> None:
    state = Folder(str(tmp_path))
    ids = spark.range(IDS).selectExpr("concat('a rather long name of a user: ', id) AS id")
    before = set(bytes_to_driver(spark, set()))

    vocabulary = extend(spark, Vocabulary("string"), ids, state=state, scratch=state / "_", side="user", run_id="r")

    received = sum(bytes_to_driver(spark, before).values())
    assert 0 < received < IDS, "less than a byte for each id"
    assert len((state / vocabulary.additions[0].folder).parquet_files()) <= spark.sparkContext.defaultParallelism * 2
    row = (
        vocabulary.read(spark, state).selectExpr("count(*)", "min(index)", "max(index)", "count(DISTINCT index)").head()
    )
    assert row is not None
    assert tuple(row) == (IDS, 0, IDS - 1, IDS)
