"""Files of the training set come to tasks whole: by their path, or where tasks do not see it by their bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from recsys_spark.ingest.training_files import columns_in, training_files

ROWS = [(0, 3, 1.5, "train"), (0, 4, 2.0, "test"), (2, 1, 5.0, "train"), (7, 0, 3.0, "validation")]


@pytest.fixture(scope="module")
def folder(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("set") / "with blank and %20"
    rows = spark.createDataFrame(ROWS, "user int, item int, rating float, part string")
    rows.repartitionByRange(2, "user").sortWithinPartitions("user", "item").write.parquet(str(place))
    return place


def test_a_task_has_the_rows_of_each_file_in_order(spark: SparkSession, folder: Path) -> None:
    def told(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in columns_in(batches, ("user", "item", "rating", "part")):
            text = [str(tuple(row.values())) for row in batch.to_pylist()]
            yield pa.RecordBatch.from_pydict({"file": ["; ".join(text)]})

    files = training_files(spark.read.parquet(str(folder)))
    assert files.columns == ["path"]
    found = files.mapInArrow(told, "file string").collect()
    assert len(found) == 2
    assert sorted(row for file in found for row in file["file"].split("; ")) == sorted(map(str, ROWS))


def test_bytes_are_read_as_files_are(folder: Path) -> None:
    files = sorted(folder.glob("*.parquet"))
    contents = [pa.RecordBatch.from_pydict({"content": [file.read_bytes()]}) for file in files]
    paths = [
        pa.RecordBatch.from_pydict({"path": [f"file://{file}" if n else str(file)]}) for n, file in enumerate(files)
    ]
    of_bytes, of_paths = (
        pa.Table.from_batches(columns_in(batches, ("user", "part"))).to_pylist() for batches in (contents, paths)
    )
    assert of_bytes == of_paths == [{"user": user, "part": part} for user, _, _, part in sorted(ROWS)]
